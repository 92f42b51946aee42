//! From files to modules, with all that stands in them.

use proc_macro2::{Span, TokenStream, TokenTree};
use syn::{
    Attribute, Item, ItemMod, ItemUse, Macro, UseTree, Visibility,
    visit::{self, Visit},
};

use super::modules::{Module, Path, Sources, file_of};

/// Returns the modules of a crate; the first is its root.
pub(crate) fn collect(sources: &Sources, root: &str) -> Vec<Module> {
    let mut modules = vec![Module { file: root.to_owned(), ..Module::default() }];
    read(sources, &mut modules, 0);
    modules
}

/// Reads the file of a module, and those of the modules that it declares.
fn read(sources: &Sources, modules: &mut Vec<Module>, at: usize) {
    let file = &modules[at].file;
    let parsed = syn::parse_file(&sources[file]).unwrap_or_else(|error| panic!("{file}: {error}"));
    let mut reader = Reader { sources, modules, at, inside: Vec::new() };
    reader.visit_file(&parsed);
}

struct Reader<'a> {
    sources: &'a Sources,
    modules: &'a mut Vec<Module>,
    at: usize,
    /// The modules of this file that are round the place it is at.
    inside: Vec<String>,
}

impl Reader<'_> {
    fn module(&mut self) -> &mut Module {
        &mut self.modules[self.at]
    }

    fn path(&mut self, segments: Vec<String>, span: Span) {
        self.module().uses.push(Path { segments, line: span.start().line });
    }

    /// Takes a `use` apart. One that passes names on (`pub use`) takes nothing itself.
    fn tree(&mut self, tree: &UseTree, before: &[String], passed_on: bool) {
        let mut path = before.to_vec();
        match tree {
            UseTree::Path(inner) => {
                path.push(inner.ident.to_string());
                self.tree(&inner.tree, &path, passed_on);
            }
            UseTree::Group(group) => group.items.iter().for_each(|tree| self.tree(tree, before, passed_on)),
            UseTree::Glob(glob) => {
                self.module().globs.push(path.clone());
                if !passed_on {
                    self.path(path, glob.star_token.spans[0]);
                }
            }
            UseTree::Name(name) => self.name(path, &name.ident, &name.ident, passed_on),
            UseTree::Rename(renamed) => self.name(path, &renamed.ident, &renamed.rename, passed_on),
        }
    }

    fn name(&mut self, mut path: Vec<String>, name: &syn::Ident, called: &syn::Ident, passed_on: bool) {
        let mut called = called.to_string();
        if name == "self" {
            if called == "self" {
                called = path.last().cloned().unwrap_or_default();
            }
        } else {
            path.push(name.to_string());
        }
        if path != [called.clone()] {
            self.module().aliases.insert(called, path.clone());
        }
        if !passed_on {
            self.path(path, name.span());
        }
    }

    /// Finds the paths in what is written inside a macro, which need not be Rust.
    fn tokens(&mut self, tokens: TokenStream) {
        let mut path: Vec<String> = Vec::new();
        let mut colons = 0;
        for token in tokens {
            match token {
                TokenTree::Ident(ident) => {
                    if colons < 2 {
                        path.clear();
                    }
                    path.push(ident.to_string());
                    self.path(path.clone(), ident.span());
                    colons = 0;
                }
                TokenTree::Punct(punct) if punct.as_char() == ':' && !path.is_empty() => colons += 1,
                TokenTree::Group(group) => {
                    (path, colons) = (Vec::new(), 0);
                    self.tokens(group.stream());
                }
                _ => (path, colons) = (Vec::new(), 0),
            }
        }
    }
}

impl<'ast> Visit<'ast> for Reader<'_> {
    fn visit_item(&mut self, item: &'ast Item) {
        let (attributes, name): (&[Attribute], _) = match item {
            Item::Const(item) => (&item.attrs, Some(&item.ident)),
            Item::Enum(item) => (&item.attrs, Some(&item.ident)),
            Item::Fn(item) => (&item.attrs, Some(&item.sig.ident)),
            Item::Macro(item) => (&item.attrs, item.ident.as_ref()),
            Item::Static(item) => (&item.attrs, Some(&item.ident)),
            Item::Struct(item) => (&item.attrs, Some(&item.ident)),
            Item::Trait(item) => (&item.attrs, Some(&item.ident)),
            Item::Type(item) => (&item.attrs, Some(&item.ident)),
            Item::Union(item) => (&item.attrs, Some(&item.ident)),
            Item::Impl(item) => (&item.attrs, None),
            Item::Mod(item) => (&item.attrs, None),
            Item::Use(item) => (&item.attrs, None),
            _ => (&[], None),
        };
        if !attributes.iter().any(is_for_tests) {
            self.module().items.extend(name.map(ToString::to_string));
            visit::visit_item(self, item);
        }
    }

    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        let name = item.ident.to_string();
        let file = match item.content {
            Some(_) => self.module().file.clone(),
            None => {
                let file = file_of(self.sources, &self.modules[self.at].file, &self.inside, &name);
                file.unwrap_or_else(|| panic!("no file of module {name} of {}", self.modules[self.at].file))
            }
        };
        let child = self.modules.len();
        self.modules.push(Module { file, parent: Some(self.at), ..Module::default() });
        self.module().children.insert(name.clone(), child);
        if item.content.is_none() {
            return read(self.sources, self.modules, child);
        }
        let outer = std::mem::replace(&mut self.at, child);
        self.inside.push(name);
        visit::visit_item_mod(self, item);
        self.inside.pop();
        self.at = outer;
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        // `use ::http::Uri` is of another crate, whatever is called so here.
        if item.leading_colon.is_none() {
            self.tree(&item.tree, &[], !matches!(item.vis, Visibility::Inherited));
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        if let (None, Some(first)) = (path.leading_colon, path.segments.first()) {
            let segments = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
            self.path(segments, first.ident.span());
        }
        visit::visit_path(self, path);
    }

    /// What it is made of need not be Rust, so it is looked through and not parsed.
    fn visit_macro(&mut self, item: &'ast Macro) {
        self.visit_path(&item.path);
        self.tokens(item.tokens.clone());
    }
}

pub(crate) fn is_for_tests(attribute: &Attribute) -> bool {
    attribute.path().is_ident("cfg") && attribute.parse_args::<syn::Ident>().is_ok_and(|condition| condition == "test")
}
