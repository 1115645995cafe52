//! The helper as a program: a shell script in its place.
