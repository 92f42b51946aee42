//! A browser that is told what to do, and a site for it to look at.

#![forbid(unsafe_code)]

mod driver;
mod site;

pub use self::{
    driver::{Browser, Fault},
    site::Site,
};
