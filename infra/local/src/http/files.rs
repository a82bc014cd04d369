//! The built frontend: its files, and its index page for every other path, since it routes by itself.

use std::path::{Component, Path, PathBuf};

use axum::body::Body;
use axum::response::Response;
use http::HeaderValue;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};

use super::decode;

/// The file for a path; `None` if there is none and no index page either.
pub(super) async fn answer(folder: &Path, path: &str) -> Option<Response> {
    let wanted = decode(path.trim_start_matches('/'));
    let file = inside(folder, &wanted)?;
    if !wanted.is_empty()
        && let Ok(content) = tokio::fs::read(&file).await
    {
        // The build names these by their content
        let cache =
            if wanted.starts_with("assets/") { "public, max-age=31536000, immutable" } else { "no-cache" };
        return Some(response(content, kind(&file), cache));
    }
    let index = tokio::fs::read(folder.join("index.html")).await.ok()?;
    Some(response(index, "text/html; charset=utf-8", "no-cache"))
}

/// A path below the folder; `None` for one that leads out of it.
fn inside(folder: &Path, wanted: &str) -> Option<PathBuf> {
    let relative = Path::new(wanted);
    relative.components().all(|part| matches!(part, Component::Normal(_))).then(|| folder.join(relative))
}

fn response(content: Vec<u8>, kind: &'static str, cache: &'static str) -> Response {
    let mut response = Response::new(Body::from(content));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static(cache));
    response
}

fn kind(file: &Path) -> &'static str {
    match file.extension().and_then(|extension| extension.to_str()) {
        Some("html") => "text/html; charset=utf-8",
        Some("js" | "mjs") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("json" | "map") => "application/json",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("jpg" | "jpeg") => "image/jpeg",
        Some("webp") => "image/webp",
        Some("ico") => "image/x-icon",
        Some("woff2") => "font/woff2",
        Some("webmanifest") => "application/manifest+json",
        Some("wasm") => "application/wasm",
        Some("txt") => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn files_and_the_index_page_and_nothing_outside() {
        let folder = tempfile::tempdir().unwrap();
        let dist = folder.path().join("dist");
        std::fs::create_dir_all(dist.join("assets")).unwrap();
        std::fs::write(dist.join("index.html"), "index").unwrap();
        std::fs::write(dist.join("assets/a.js"), "script").unwrap();
        std::fs::write(folder.path().join("secret"), "secret").unwrap();
        let read = async |path: &str| {
            let response = answer(&dist, path).await?;
            let kind = response.headers()[CONTENT_TYPE].to_str().unwrap().to_owned();
            let body = axum::body::to_bytes(response.into_body(), 100).await.unwrap();
            Some((kind, String::from_utf8(body.to_vec()).unwrap()))
        };
        assert_eq!(
            read("/assets/a.js").await.unwrap(),
            ("text/javascript; charset=utf-8".into(), "script".into())
        );
        assert_eq!(read("/").await.unwrap().1, "index");
        assert_eq!(read("/jobs/job_1").await.unwrap().1, "index");
        assert_eq!(read("/../secret").await, None);
        assert_eq!(read("/%2e%2e/secret").await, None);
        assert_eq!(read("//etc/passwd").await.unwrap().1, "index");
    }
}
