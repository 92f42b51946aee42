//! Engines that do one thing otherwise than the one in their field `well`.

/// Makes methods of an engine, by their names, that pass on what they are asked.
macro_rules! pass_on {
    () => {};
    (join $($rest:ident)*) => {
        fn join(&self, join: tower_singleflight::fleet::Join) -> Reply<tower_singleflight::fleet::Joined> {
            self.well.join(join)
        }
        pass_on!($($rest)*);
    };
    (renew $($rest:ident)*) => {
        fn renew(&self, name: Name, token: Token, lease: Duration) -> Reply<bool> {
            self.well.renew(name, token, lease)
        }
        pass_on!($($rest)*);
    };
    (close $($rest:ident)*) => {
        fn close(
            &self,
            name: Name,
            token: Token,
            pending: Duration,
            refuse: Duration,
        ) -> Reply<tower_singleflight::fleet::Closed> {
            self.well.close(name, token, pending, refuse)
        }
        pass_on!($($rest)*);
    };
    (hold $($rest:ident)*) => {
        fn hold(&self, name: Name, token: Token, pending: Duration) -> Reply<()> {
            self.well.hold(name, token, pending)
        }
        pass_on!($($rest)*);
    };
    (land $($rest:ident)*) => {
        fn land(&self, name: Name, token: Token, message: bytes::Bytes, keep: Duration) -> Reply<()> {
            self.well.land(name, token, message, keep)
        }
        pass_on!($($rest)*);
    };
    (peek $($rest:ident)*) => {
        fn peek(&self, name: Name, token: Token) -> Reply<tower_singleflight::fleet::Peek> {
            self.well.peek(name, token)
        }
        pass_on!($($rest)*);
    };
    (fence $($rest:ident)*) => {
        fn fence(&self, scope: tower_singleflight::fleet::FenceScope, keep: Duration) -> Reply<()> {
            self.well.fence(scope, keep)
        }
        pass_on!($($rest)*);
    };
    (news $($rest:ident)*) => {
        fn news(&self, to: tower_singleflight::fleet::News) -> bool {
            self.well.news(to)
        }
        pass_on!($($rest)*);
    };
}
