//! A record that takes long: it is said, and so is what Ctrl-C leaves behind.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::world::World;

const STILL_WAITING: &str = "still waiting: what was sent is with the node";

fn spawn(world: &World, words: &[&str]) -> Child {
    let mut command = world.command(words);
    command.stdout(Stdio::null()).stderr(Stdio::piped());
    command.spawn().unwrap()
}

/// What a program says after Ctrl-C, and its exit code.
fn interrupted(mut program: Child, mut errors: impl Read) -> (String, Option<i32>) {
    let kill = format!("kill -INT {}", program.id());
    let killed = Command::new("sh").args(["-c", &kill]).status().unwrap();
    assert!(killed.success());
    let mut said = String::new();
    errors.read_to_string(&mut said).unwrap();
    (said, program.wait().unwrap().code())
}

/// `revoke` and `member propose` ended without a word, and what they had sent took effect later.
#[test]
fn what_waits_says_so_and_ctrl_c_says_what_it_leaves_behind() {
    let world = World::running();
    world.unsigned("inbox", "issuer", 0..1);
    world.ok(&["issue", "inbox", "--out", "out", "--issuer-home", "issuer"]);
    let way = world.way_without_answers();
    let node = ["--node", &way];
    let revoke = ["revoke", "out/0.json", "--issuer-home", "issuer"];
    let propose = ["member", "propose", "set-parameter", "recordsPerBlock", "9"];
    let propose = [&propose[..], &["--home", "member", "--json"], &node].concat();
    let mut revoking = spawn(&world, &[&revoke[..], &node].concat());
    let mut proposing = spawn(&world, &propose);

    let mut errors = BufReader::new(revoking.stderr.take().unwrap());
    let mut line = String::new();
    errors.read_line(&mut line).unwrap();
    assert!(line.starts_with(STILL_WAITING), "{line}");
    // The other was started last.
    std::thread::sleep(Duration::from_secs(1));

    let (said, code) = interrupted(revoking, errors);
    assert_eq!(code, Some(130), "{said}");
    let told = "interrupted; what was sent may still take effect: run the same command again";
    assert!(said.contains(told), "{said}");
    assert!(!said.contains(STILL_WAITING), "told once: {said}");

    let errors = proposing.stderr.take().unwrap();
    let (said, code) = interrupted(proposing, errors);
    assert_eq!(code, Some(130), "{said}");
    assert!(said.contains("look at `credlog member list`"), "{said}");
    assert!(!said.contains(STILL_WAITING), "with --json: {said}");
}
