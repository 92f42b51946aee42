//! Why no engine could be made.

use std::{error::Error, fmt};

use redis::{ErrorKind, RedisError, ServerErrorKind};

/// Why no engine could be made, in one line; the password of a URL is never in it.
#[derive(Debug)]
#[non_exhaustive]
pub enum ConnectError {
    /// The URL does not parse, or asks for what was not built in.
    Url(RedisError),
    /// Nobody answers there.
    Unreachable(RedisError),
    /// Somebody answers there, and it is neither Redis nor Valkey.
    NotRedis(RedisError),
    /// The user or the password is wrong, or the user may not do what is needed.
    NotAllowed(RedisError),
    /// The server cannot do what is needed.
    Unfit(String),
    /// The server speaks no RESP3.
    #[doc(hidden)]
    NoResp3,
}

impl ConnectError {
    /// Returns what a server's refusal means.
    pub(crate) fn of(error: RedisError) -> Self {
        match error.kind() {
            ErrorKind::Parse => Self::NotRedis(error),
            ErrorKind::AuthenticationFailed | ErrorKind::Server(ServerErrorKind::NoPerm) => Self::NotAllowed(error),
            ErrorKind::InvalidClientConfig => Self::Url(error),
            ErrorKind::Io => Self::Unreachable(error),
            ErrorKind::RESP3NotSupported => Self::NoResp3,
            _ if matches!(error.code(), Some("NOAUTH" | "WRONGPASS")) => Self::NotAllowed(error),
            // What a script may not do is an error without a kind of its own, and each server words it differently.
            _ if error.to_string().contains("ACL failure")
                || error.to_string().contains("user executing the script") =>
            {
                Self::NotAllowed(error)
            }
            _ => Self::Unfit(line(&error)),
        }
    }
}

/// Returns the first line of an error: on further lines the client tells where in an answer it stopped reading.
fn line(error: &RedisError) -> String {
    error.to_string().lines().next().unwrap_or_default().to_owned()
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url(error) => write!(f, "the URL of the Redis server cannot be used: {}", line(error)),
            Self::Unreachable(error) => write!(f, "the Redis server cannot be reached: {}", line(error)),
            Self::NotRedis(error) => write!(f, "what answers there is neither Redis nor Valkey: {}", line(error)),
            Self::NotAllowed(error) => write!(f, "the Redis server does not allow it: {}", line(error)),
            Self::NoResp3 => f.write_str("the server speaks no RESP3"),
            Self::Unfit(why) => write!(f, "the server cannot be a fleet's engine: {why}"),
        }
    }
}

impl Error for ConnectError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Url(error) | Self::Unreachable(error) | Self::NotRedis(error) | Self::NotAllowed(error) => {
                Some(error)
            }
            Self::Unfit(_) | Self::NoResp3 => None,
        }
    }
}
