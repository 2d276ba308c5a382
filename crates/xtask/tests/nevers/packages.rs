//! The crates of the workspace and what each one uses, from `cargo metadata`.

use std::process::Command;

use serde_json::Value;

/// One crate.
pub(crate) struct Package {
    pub(crate) name: String,
    /// The packages it uses in its own code, by their own names, optional ones too; not those of its tests.
    pub(crate) uses: Vec<String>,
}

pub(crate) fn all() -> Vec<Package> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args([
            "metadata",
            "--no-deps",
            "--offline",
            "--locked",
            "--format-version",
            "1",
        ])
        .current_dir(crate::tree::root())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "cargo metadata: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    packages.iter().map(read).collect()
}

fn read(package: &Value) -> Package {
    let dependencies = package["dependencies"].as_array().unwrap();
    // The kind is null, "dev" or "build".
    let used = dependencies
        .iter()
        .filter(|dependency| dependency["kind"] != "dev");
    Package {
        name: text(&package["name"]),
        uses: used.map(|dependency| text(&dependency["name"])).collect(),
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}
