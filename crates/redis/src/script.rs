//! Scripts. The server knows them by their hash, and gets them again when it has forgotten them.

use std::sync::LazyLock;

use redis::{Cmd, ErrorKind, RedisResult, ServerErrorKind, Value};

use crate::link::Link;

/// One operation, which the server runs as a whole.
pub(crate) struct Script {
    code: &'static str,
    hash: String,
}

macro_rules! scripts {
    ($($name:ident = $file:literal;)*) => {$(
        pub(crate) static $name: LazyLock<Script> =
            LazyLock::new(|| Script::new(include_str!(concat!("scripts/", $file, ".lua"))));
    )*};
}

scripts! {
    CLOSE = "close";
    HOLD = "hold";
    JOIN = "join";
    LAND = "land";
    PEEK = "peek";
    RENEW = "renew";
    RIGHTS = "rights";
}

impl Script {
    fn new(code: &'static str) -> Self {
        Self { code, hash: redis::Script::new(code).get_hash().to_owned() }
    }

    /// Runs the script. `keys` must name all keys that it touches, as a cluster demands.
    ///
    /// The server may not know the script: it is new, its scripts were flushed, or another node has taken the keys
    /// over. It then gets the script with the arguments. Unlike loading it first, that takes one round trip and reaches
    /// the right node.
    pub(crate) async fn run(&self, link: &mut Link, keys: &[String], arguments: &[&[u8]]) -> RedisResult<Value> {
        match self.command("EVALSHA", &self.hash, keys, arguments).query_async(link).await {
            Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                self.send(link, keys, arguments).await
            }
            answer => answer,
        }
    }

    /// Runs the script, whether the server knows it or not.
    pub(crate) async fn send(&self, link: &mut Link, keys: &[String], arguments: &[&[u8]]) -> RedisResult<Value> {
        self.command("EVAL", self.code, keys, arguments).query_async(link).await
    }

    fn command(&self, verb: &str, script: &str, keys: &[String], arguments: &[&[u8]]) -> Cmd {
        let bytes = keys.iter().map(String::len).chain(arguments.iter().map(|argument| argument.len())).sum::<usize>();
        let mut command = Cmd::with_capacity(3 + keys.len() + arguments.len(), bytes + script.len() + 16);
        command.arg(verb).arg(script).arg(keys.len()).arg(keys);
        for argument in arguments {
            command.arg(*argument);
        }
        command
    }
}
