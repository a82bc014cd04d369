//! Statuses of nodes and runs.

use domain::workflow::{Counts, FailurePolicy, IllegalChange, NodeStatus, RunStatus, Status, Stop};

#[test]
fn terminal_is_terminal() {
    use NodeStatus::{
        Cancelled, Failed, Ready, Running, Skipped, Succeeded, TimedOut, UpstreamFailed, Waiting,
    };
    let legal = [
        (Waiting, vec![Ready, Skipped, Cancelled, UpstreamFailed]),
        (Ready, vec![Running, Succeeded, Failed, TimedOut, Skipped, Cancelled]),
        (Running, vec![Ready, Succeeded, Failed, TimedOut, Cancelled]),
    ];
    for from in NodeStatus::ALL {
        let allowed =
            legal.iter().find(|(status, _)| *status == from).map_or(&[][..], |(_, to)| to.as_slice());
        assert_eq!(from.is_terminal(), allowed.is_empty(), "{from:?}");
        for to in NodeStatus::ALL {
            let expected = if allowed.contains(&to) { Ok(to) } else { Err(IllegalChange { from, to }) };
            assert_eq!(from.change(to), expected, "{from:?} to {to:?}");
        }
    }
}

#[test]
fn an_ended_node_is_what_the_gates_saw() {
    for status in NodeStatus::ALL {
        if let Some(ended) = status.ended() {
            assert_eq!(NodeStatus::from(ended), status);
        }
        assert_eq!(serde_json::to_value(status).unwrap(), status.as_str());
    }
    assert_eq!(NodeStatus::from(Status::Blocked), NodeStatus::UpstreamFailed);
}

#[test]
fn a_run_is_over_when_its_nodes_are() {
    use NodeStatus::{
        Cancelled, Failed, Ready, Running, Skipped, Succeeded, TimedOut, UpstreamFailed, Waiting,
    };
    let cases: [(&[NodeStatus], Option<Stop>, RunStatus); 17] = [
        (&[], None, RunStatus::Succeeded),
        (&[Succeeded, Succeeded], None, RunStatus::Succeeded),
        (&[Succeeded, Skipped], None, RunStatus::Succeeded),
        (&[Skipped], None, RunStatus::Succeeded),
        (&[Succeeded, Waiting], None, RunStatus::Running),
        (&[Failed, Running], None, RunStatus::Running),
        (&[Ready], Some(Stop::Cancelled), RunStatus::Running),
        (&[Failed, Succeeded], None, RunStatus::Failed),
        (&[TimedOut, Succeeded], None, RunStatus::Failed),
        (&[Failed, Cancelled, UpstreamFailed], None, RunStatus::Failed),
        (&[Cancelled, UpstreamFailed], None, RunStatus::Cancelled),
        (&[Cancelled, Succeeded], None, RunStatus::Cancelled),
        (&[Cancelled, Succeeded], Some(Stop::Cancelled), RunStatus::Cancelled),
        (&[Failed, Cancelled], Some(Stop::Cancelled), RunStatus::Cancelled),
        (&[Cancelled, Succeeded], Some(Stop::TimedOut), RunStatus::TimedOut),
        (&[Succeeded], Some(Stop::Cancelled), RunStatus::Succeeded),
        (&[Failed], Some(Stop::TimedOut), RunStatus::Failed),
    ];
    for (nodes, stop, expected) in cases {
        assert_eq!(Counts::of(nodes.iter().copied()).run(stop), expected, "{nodes:?} {stop:?}");
    }
}

#[test]
fn counts_follow_changes() {
    let mut counts = Counts::of([NodeStatus::Waiting; 3]);
    counts.moved(NodeStatus::Waiting, NodeStatus::Ready);
    counts.moved(NodeStatus::Ready, NodeStatus::Running);
    counts.moved(NodeStatus::Waiting, NodeStatus::Skipped);
    assert_eq!(counts, Counts { waiting: 1, running: 1, skipped: 1, ..Counts::default() });
    assert_eq!(counts.open(), 2);
}

#[test]
fn a_failure_stops_the_rest_if_the_policy_says_so() {
    for (status, stops) in [
        (Status::Failed, true),
        (Status::TimedOut, true),
        (Status::Succeeded, false),
        (Status::Skipped, false),
        (Status::Cancelled, false),
        (Status::Blocked, false),
    ] {
        assert_eq!(FailurePolicy::FailFast.stops(status), stops, "{status:?}");
        assert!(!FailurePolicy::FinishWhatCan.stops(status), "{status:?}");
    }
}
