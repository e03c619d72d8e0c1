//! What people get wrong: each mistake is named with its file or field and the next step, has its exit code, loses
//! nothing and harms nobody else.

mod disk;
mod files;
mod strangers;
