//! Six servers that are a cluster: three that lead, and a replica of each.

use crate::{
    Kind, Server,
    server::{free_port, until},
};

/// A running cluster; it is ended with this guard.
#[derive(Debug)]
pub struct Cluster {
    /// The first three lead, and each of the others replicates the one three before it.
    pub nodes: Vec<Server>,
}

impl Cluster {
    /// Starts one, in which a node counts as gone after 1.5 s; `None`, and a line that says so, if the program is not
    /// installed.
    pub fn start(kind: Kind) -> Option<Self> {
        let nodes: Vec<_> = (0..6)
            .map(|_| {
                let bus = free_port().to_string();
                Server::start_with(
                    kind,
                    &[
                        "--cluster-enabled",
                        "yes",
                        "--cluster-node-timeout",
                        "1500",
                        "--cluster-port",
                        &bus,
                        "--repl-diskless-sync-delay",
                        "0",
                    ],
                )
                .map(|node| (node, bus))
            })
            .collect::<Option<_>>()?;
        let ids: Vec<String> = nodes.iter().map(|(node, _)| node.run("CLUSTER MYID")).collect();
        for (at, slots) in ["0 5460", "5461 10922", "10923 16383"].iter().enumerate() {
            nodes[at].0.run::<()>(&format!("CLUSTER ADDSLOTSRANGE {slots}"));
        }
        for (at, (node, _)) in nodes.iter().enumerate() {
            node.run::<()>(&format!("CLUSTER SET-CONFIG-EPOCH {}", at + 1));
        }
        for (node, bus) in &nodes[1..] {
            nodes[0].0.run::<()>(&format!("CLUSTER MEET 127.0.0.1 {} {bus}", node.port()));
        }
        for (at, (node, _)) in nodes.iter().enumerate().skip(3) {
            until("a node that all know", || {
                let known: String = node.run("CLUSTER NODES");
                known.contains(&ids[at - 3]).then_some(())
            });
            node.run::<()>(&format!("CLUSTER REPLICATE {}", ids[at - 3]));
        }
        let cluster = Self { nodes: nodes.into_iter().map(|(node, _)| node).collect() };
        // A replica that never had its leader's data does not take over.
        for node in &cluster.nodes[3..] {
            until("a replica with data", || {
                node.run::<String>("INFO replication").contains("master_link_status:up").then_some(())
            });
        }
        for node in &cluster.nodes {
            until("a cluster that works", || {
                let state: String = node.run("CLUSTER INFO");
                let nodes: String = node.run("CLUSTER NODES");
                let replicas = nodes.lines().filter(|line| line.contains("slave")).count();
                let leading = nodes.lines().filter(|line| line.contains("master") && line.contains('-')).count();
                (state.contains("cluster_state:ok") && replicas == 3 && leading >= 3).then_some(())
            });
        }
        Some(cluster)
    }

    /// What clients connect to.
    pub fn urls(&self) -> Vec<String> {
        self.nodes.iter().map(Server::url).collect()
    }
}
