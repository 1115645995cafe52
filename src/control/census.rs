//! The supervision tree, as it travels over the control socket.

use mailroost_actors::Node;
use serde::{Deserialize, Serialize};

/// [`Node`] in a frame.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TreeNode {
    /// For example `MailboxSupervisor`.
    pub name: String,
    /// Restarts since the tree started.
    pub restarts: u64,
    /// Children that are alive.
    pub children: Vec<TreeNode>,
    /// Children that are too many to be named one by one.
    pub population: usize,
}

impl From<Node> for TreeNode {
    fn from(node: Node) -> Self {
        Self {
            name: node.name,
            restarts: node.restarts,
            children: node.children.into_iter().map(Into::into).collect(),
            population: node.population,
        }
    }
}
