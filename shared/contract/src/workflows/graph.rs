//! The nodes and edges of a definition, for a drawing, and what is wrong with it.

use domain::workflow::Plan;
use serde::Serialize;
use utoipa::ToSchema;

use super::NodeKind;
use crate::problem::Field;

/// What was found in a definition.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Validated {
    pub valid: bool,
    /// Everything that is wrong, each with its path in the definition, up to 200; `line` where it is known.
    pub errors: Vec<Field>,
    /// How many nodes it has, groups not counted; null if it is not valid.
    #[schema(required = true)]
    pub nodes: Option<u32>,
    /// How many edges; null if it is not valid.
    #[schema(required = true)]
    pub edges: Option<u32>,
    /// Null if it is not valid.
    #[schema(required = true)]
    pub graph: Option<Graph>,
}

/// The nodes of a definition and what each waits for. Groups are not in it: they became edges.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Graph {
    /// In an order in which each comes after all that it waits for.
    pub nodes: Vec<GraphNode>,
    pub edges: Vec<GraphEdge>,
    /// Edges that are not listed, since there are very many.
    pub more_edges: u32,
}

/// A node in a drawing.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct GraphNode {
    /// Its name, behind those of its groups.
    #[schema(example = "check.accuracy")]
    pub id: String,
    pub kind: NodeKind,
    /// Where its author put it; null if nowhere.
    #[schema(required = true)]
    pub position: Option<Position>,
}

/// A place in a drawing, in its own units.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, ToSchema)]
pub struct Position {
    pub x: f64,
    pub y: f64,
}

/// `to` waits for `from`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct GraphEdge {
    #[schema(example = "train")]
    pub from: String,
    #[schema(example = "check.accuracy")]
    pub to: String,
    /// The edge carries a skip when this expression gives `false`; null if it has none.
    #[schema(required = true)]
    pub condition: Option<String>,
}

impl Graph {
    /// Names in edges, in bytes, after which no more are listed: an answer has at most 6 MB.
    const EDGE_BYTES: usize = 1 << 20;

    /// The graph of a plan.
    pub fn of(plan: &Plan<'_>) -> Self {
        let steps = plan.steps();
        let node = |number: &u32| {
            let step = &steps[*number as usize];
            let position = step.node.position.map(|place| Position { x: place.x, y: place.y });
            step.kind.step().map(|kind| GraphNode { id: step.id.clone(), kind: kind.into(), position })
        };
        let nodes = plan.order().iter().filter_map(node).collect();
        let (mut edges, mut more_edges, mut bytes) = (Vec::new(), 0, 0);
        for step in steps {
            for edge in &step.before {
                let Some(from) = plan.step(edge.step) else { continue };
                let condition = edge.condition.as_ref().map(|text| text.source.to_owned());
                bytes += from.id.len() + step.id.len() + condition.as_ref().map_or(0, String::len);
                if bytes > Self::EDGE_BYTES {
                    more_edges += 1;
                } else {
                    edges.push(GraphEdge { from: from.id.clone(), to: step.id.clone(), condition });
                }
            }
        }
        Self { nodes, edges, more_edges }
    }

    /// How many edges there are.
    pub fn edge_count(&self) -> u32 {
        u32::try_from(self.edges.len()).unwrap_or(u32::MAX).saturating_add(self.more_edges)
    }
}

#[cfg(test)]
mod tests {
    use domain::workflow::{Format, Workflow};

    use super::*;

    #[test]
    fn a_graph_has_every_node_once_and_in_order() {
        let text = "
name: a
nodes:
  z: {job: {image: i, command: [c]}, position: {x: 1, y: 2}}
  b: {depends_on: [{node: z, if: 'nodes.z.output.ok'}], sequential: [{name: c, condition: 'true'}, {name: d, webhook: {url: 'https://example.com'}}]}
";
        let workflow = Workflow::read(text, Format::Yaml).expect("a definition");
        let graph = Graph::of(&workflow.validate().expect("a plan"));
        let ids: Vec<_> = graph.nodes.iter().map(|node| (node.id.as_str(), node.kind)).collect();
        assert_eq!(ids, [("z", NodeKind::Job), ("b.c", NodeKind::Condition), ("b.d", NodeKind::Webhook)]);
        assert_eq!(graph.nodes[0].position, Some(Position { x: 1.0, y: 2.0 }));
        let edges: Vec<_> = graph
            .edges
            .iter()
            .map(|edge| (edge.from.as_str(), edge.to.as_str(), edge.condition.as_deref()))
            .collect();
        assert_eq!(edges, [("z", "b.c", Some("nodes.z.output.ok")), ("b.c", "b.d", None)]);
        assert_eq!((graph.edge_count(), graph.more_edges), (2, 0));
    }
}
