//! `mosquitto_sub`, `mosquitto_pub` and `mosquitto_rr`, in every version they speak.

use std::{
    fs::{self, File},
    process::{Command, Stdio},
    time::Duration,
};

use restante_testkit::{Broker, process::Process, tools};

/// How long one client may take; only one that hangs does.
const LIMIT: Duration = Duration::from_secs(120);

pub(crate) const VERSIONS: [&str; 3] = ["mqttv31", "mqttv311", "mqttv5"];

/// Whether the clients are there.
pub(crate) fn there() -> bool {
    ["mosquitto_pub", "mosquitto_sub"]
        .iter()
        .all(|name| tools::program(name).is_some())
}

/// Starts one of them at this broker.
pub(crate) fn start(broker: &Broker, program: &str, arguments: &[&str]) -> Process {
    Process::start(program, &mut command(broker, program, arguments))
}

/// Runs one of them to its good end; returns the lines it wrote.
pub(crate) fn run(broker: &Broker, program: &str, arguments: &[&str]) -> Vec<String> {
    finish(broker, program, start(broker, program, arguments))
}

/// Waits for its good end; returns the lines it wrote.
pub(crate) fn finish(broker: &Broker, program: &str, mut process: Process) -> Vec<String> {
    let status = process.wait(LIMIT);
    let said = process.output();
    assert!(
        status.success(),
        "{program} ended with {status}: {said}\nrestante wrote:\n{}",
        broker.output()
    );
    said.lines().map(str::to_owned).collect()
}

/// Publishes each line with one client and returns when it has been told that all are kept.
pub(crate) fn publish_lines(broker: &Broker, version: &str, qos: &str, topic: &str, lines: &[String]) {
    let file = broker.folder().join("lines");
    fs::write(&file, lines.join("\n") + "\n").unwrap();
    let mut command = command(
        broker,
        "mosquitto_pub",
        &["-V", version, "-q", qos, "-t", topic, "-l"],
    );
    let input = Stdio::from(File::open(file).unwrap());
    let process = Process::start_reading("mosquitto_pub", &mut command, input);
    finish(broker, "mosquitto_pub", process);
}

fn command(broker: &Broker, program: &str, arguments: &[&str]) -> Command {
    let address = broker.address();
    // Into a pipe it would write by blocks, and a line that a test waits for would come with the end only.
    let mut command = Command::new("stdbuf");
    command.args(["-oL", program, "-h", &address.ip().to_string()]);
    command.args(["-p", &address.port().to_string()]).args(arguments);
    command
}

#[test]
fn each_version_reaches_each_other() {
    if !there() {
        return;
    }
    let broker = Broker::run();
    for to in VERSIONS {
        for qos in ["0", "1", "2"] {
            let mut receiver = start(
                &broker,
                "mosquitto_sub",
                &["-V", to, "-q", qos, "-t", "hello/#", "-v", "-C", "3", "-d"],
            );
            // It tells that it may be published to.
            let subscribed = receiver.wait_for_line("Subscribed", LIMIT);
            assert!(subscribed.is_some(), "{}", receiver.output());
            for from in VERSIONS {
                run(
                    &broker,
                    "mosquitto_pub",
                    &["-V", from, "-q", qos, "-t", "hello/x", "-m", from],
                );
            }
            receiver.wait(LIMIT);
            let said = receiver.output();
            let came: Vec<&str> = said
                .lines()
                .filter_map(|line| line.strip_prefix("hello/x "))
                .collect();
            assert_eq!(came, VERSIONS, "to {to} at QoS {qos}: {said}");
        }
    }
}

#[test]
fn retained_messages_and_wills() {
    if !there() {
        return;
    }
    let broker = Broker::run();
    for version in VERSIONS {
        let topic = format!("kept/{version}");
        run(
            &broker,
            "mosquitto_pub",
            &["-V", version, "-r", "-q", "1", "-t", &topic, "-m", "state"],
        );
        let seen = run(
            &broker,
            "mosquitto_sub",
            &[
                "-V",
                version,
                "-t",
                &topic,
                "--retained-only",
                "-C",
                "1",
                "-F",
                "%r %t %p",
            ],
        );
        assert_eq!(seen, [format!("1 {topic} state")]);
        let gone = format!("gone/{version}");
        let mut dies = start(
            &broker,
            "mosquitto_sub",
            &[
                "-V",
                version,
                "-t",
                "x",
                "-d",
                "--will-topic",
                &gone,
                "--will-payload",
                "dead",
                "--will-qos",
                "2",
                "--will-retain",
            ],
        );
        assert!(
            dies.wait_for_line("Subscribed", LIMIT).is_some(),
            "{}",
            dies.output()
        );
        dies.kill();
        assert_eq!(
            run(&broker, "mosquitto_sub", &["-V", version, "-t", &gone, "-C", "1"]),
            ["dead"]
        );
    }
}

#[test]
fn properties_of_5_are_printed_as_they_were_given() {
    if !there() {
        return;
    }
    let broker = Broker::run();
    let session = ["-V", "mqttv5", "-i", "prints", "-c", "-q", "1", "-t", "said/#"];
    run(&broker, "mosquitto_sub", &[&session[..], &["-E"]].concat());
    let said = [
        "-D",
        "publish",
        "content-type",
        "text/plain",
        "-D",
        "publish",
        "response-topic",
        "back/here",
        "-D",
        "publish",
        "user-property",
        "a",
        "1",
        "-D",
        "publish",
        "user-property",
        "a",
        "2",
        "-D",
        "publish",
        "message-expiry-interval",
        "1000",
    ];
    run(
        &broker,
        "mosquitto_pub",
        &[
            &["-V", "mqttv5", "-q", "1", "-t", "said/x", "-m", "hello"][..],
            &said,
        ]
        .concat(),
    );
    let seen = run(
        &broker,
        "mosquitto_sub",
        &[&session[..], &["-C", "1", "-F", "%C|%R|%P|%p"]].concat(),
    );
    assert_eq!(seen, ["text/plain|back/here|a:1 a:2|hello"]);
}
