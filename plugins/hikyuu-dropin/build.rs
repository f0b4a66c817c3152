//! Compiles the C++ side and says how all is linked into one library.

fn main() {
    println!("cargo:rerun-if-changed=src/shim.cpp");
    cc::Build::new()
        .cpp(true)
        .std("c++17")
        .file("src/shim.cpp")
        .flag("-fvisibility=hidden")
        .warnings_into_errors(true)
        .compile("hikyuu_shim");
    // every plugin defines the two symbols that the host looks for in a plugin's file; linked in,
    // they are used by nobody, so it does not matter whose are taken
    println!("cargo:rustc-link-arg=-Wl,--allow-multiple-definition");
    // nor should this library look like a plugin of the host: what comes from archives stays inside
    println!("cargo:rustc-cdylib-link-arg=-Wl,--exclude-libs,ALL");
    // a thread that ends after dlclose (a plugin that did not come back from a call, or a library's
    // own) would run code that is no longer there
    println!("cargo:rustc-cdylib-link-arg=-Wl,-z,nodelete");
}
