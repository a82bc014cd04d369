//! Images to begin with.

use serde::Serialize;
use utoipa::ToSchema;

/// Suggestions: any image that the cloud can pull will do.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ImagePage {
    pub items: Vec<Image>,
    /// What the list is, in words.
    pub note: String,
}

/// An image, and what it is good for.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = ImageSuggestion)]
pub struct Image {
    #[schema(example = "docker.io/library/python:3.12-slim")]
    pub image: String,
    pub title: String,
    /// What it is good for.
    pub description: String,
    /// Words to look for it by.
    pub tags: Vec<String>,
}

const SUGGESTIONS: [(&str, &str, &str, &[&str]); 6] = [
    (
        "docker.io/library/python:3.12-slim",
        "Python",
        "Scripts that bring what they need with pip. Small, so it starts soon; nothing of CUDA in it.",
        &["python", "small"],
    ),
    (
        "docker.io/pytorch/pytorch:2.5.1-cuda12.4-cudnn9-runtime",
        "PyTorch",
        "Training and inference with PyTorch on CUDA 12.4.",
        &["pytorch", "cuda", "training"],
    ),
    (
        "docker.io/tensorflow/tensorflow:2.18.0-gpu",
        "TensorFlow",
        "Training and inference with TensorFlow and Keras.",
        &["tensorflow", "cuda", "training"],
    ),
    (
        "docker.io/vllm/vllm-openai:v0.6.4",
        "vLLM",
        "Batches of text through a large language model.",
        &["llm", "inference", "cuda"],
    ),
    (
        "docker.io/nvidia/cuda:12.4.1-base-ubuntu22.04",
        "CUDA, base",
        "Programs that are built already, and a look at the GPU with nvidia-smi.",
        &["cuda", "small"],
    ),
    (
        "docker.io/nvidia/cuda:12.4.1-devel-ubuntu22.04",
        "CUDA, with its compiler",
        "Programs that are built with nvcc first. Large: it takes long to pull.",
        &["cuda", "compiler"],
    ),
];

impl ImagePage {
    /// The list that we keep by hand.
    pub fn suggestions() -> Self {
        let items = SUGGESTIONS.iter().map(|(image, title, description, tags)| Image {
            image: (*image).to_owned(),
            title: (*title).to_owned(),
            description: (*description).to_owned(),
            tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
        });
        let note = "Suggestions, kept by hand. A job takes any image that its cloud can pull; the registry says what is current.";
        Self { items: items.collect(), note: note.to_owned() }
    }
}
