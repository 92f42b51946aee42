//! What must not compile, and how it is said. After a change of compiler:
//! `TRYBUILD=overwrite cargo test -p compile-fail`.

#[test]
fn what_people_get_wrong_is_refused_in_words_that_help() {
    trybuild::TestCases::new().compile_fail("cases/*.rs");
}
