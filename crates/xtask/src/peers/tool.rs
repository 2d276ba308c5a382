//! Calling the load tool, and what it says.

use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;

use super::brokers::Running;
use super::target_folder;

/// One report of the load tool.
pub(super) struct Report(Value);

/// Runs `restante-bench SCENARIO` against a broker; every run must pass its own verification.
pub(super) fn run(broker: &Running, scenario: &str, arguments: &[&str]) -> Result<Vec<Report>, String> {
    start(broker, scenario, arguments)?.finish()
}

/// A call of the load tool that goes on.
pub(super) struct Call {
    scenario: String,
    process: Child,
}

/// Begins what [`run`] does.
pub(super) fn start(broker: &Running, scenario: &str, arguments: &[&str]) -> Result<Call, String> {
    let program = target_folder().join("release/restante-bench");
    let process = Command::new(&program)
        .arg(scenario)
        .args([
            "--address",
            &broker.address().to_string(),
            "--pid",
            &broker.id().to_string(),
        ])
        .args(["--output", "json", "--deadline", "900", "--quiet"])
        .args(arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("cannot start {}: {error}", program.display()))?;
    Ok(Call {
        scenario: scenario.to_owned(),
        process,
    })
}

impl Call {
    /// Waits for the end, and reads the reports.
    pub(super) fn finish(self) -> Result<Vec<Report>, String> {
        let Call { scenario, process } = self;
        let output = process
            .wait_with_output()
            .map_err(|error| format!("cannot wait for {scenario}: {error}"))?;
        reports_of(&scenario, &output)
    }
}

fn reports_of(scenario: &str, output: &Output) -> Result<Vec<Report>, String> {
    let text = String::from_utf8_lossy(&output.stdout);
    let complaint = String::from_utf8_lossy(&output.stderr);
    let value: Value =
        serde_json::from_str(&text).map_err(|_| format!("{scenario}: {}", complaint.trim()))?;
    let reports = value
        .get("reports")
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default();
    if !output.status.success() {
        let failures: Vec<String> = reports
            .iter()
            .filter_map(|report| report.get("failures"))
            .map(Value::to_string)
            .collect();
        return Err(format!("{scenario} did not pass: {}", failures.join(" ")));
    }
    Ok(reports.into_iter().map(Report).collect())
}

impl Report {
    /// A number by its path, as `broker.cpu_us_per_count`.
    pub(super) fn number(&self, path: &str) -> Result<f64, String> {
        let found = path.split('.').try_fold(&self.0, |value, name| value.get(name));
        found
            .and_then(Value::as_f64)
            .ok_or_else(|| format!("the load tool reported no {path}"))
    }
}
