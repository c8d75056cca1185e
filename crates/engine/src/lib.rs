//! placeholder

pub mod glob;
pub mod long_double;
