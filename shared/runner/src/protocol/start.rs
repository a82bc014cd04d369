use super::{Error, VERSION, number};

const MAX_BYTES: usize = 32 * 1024;
const MAX_GPUS: usize = 64;

/// The first message: the container runs and asks whether it has the attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Start {
    pub client: Client,
    /// What `nvidia-smi` finds; empty without it.
    pub gpus: Vec<Gpu>,
    pub cpus: Option<u32>,
    pub memory_kib: Option<u64>,
    /// How the cloud names the machine, where the container knows.
    pub instance: Option<String>,
}

/// The HTTP client that the runner found in the image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Client {
    Curl,
    /// GNU wget
    Wget,
    /// The wget of busybox
    Busybox,
    Python3,
}

/// One GPU in `nvidia-smi`'s words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gpu {
    pub name: String,
    /// With its unit: `24564 MiB`
    pub memory: String,
    pub driver: String,
}

impl Start {
    /// From the body.
    pub fn parse(body: &[u8]) -> Result<Self, Error> {
        if body.len() > MAX_BYTES {
            return Err(Error::TooLong { what: "the body", limit: MAX_BYTES });
        }
        let text = std::str::from_utf8(body).map_err(|_| Error::Body("UTF-8"))?;
        let (mut version, mut client) = (None, None);
        let (mut gpus, mut cpus, mut memory_kib, mut instance) = (Vec::new(), None, None, None);
        for (index, line) in text.lines().enumerate() {
            let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
            match word {
                "runner" => {
                    version = Some(number::<u32>(rest).ok_or(whole_number("runner"))?);
                }
                "client" => client = Some(client_named(rest)?),
                "gpu" if gpus.len() == MAX_GPUS => {
                    return Err(Error::Line { line: "gpu", expected: "there 64 times at most" });
                }
                "gpu" => gpus.push(gpu(rest)?),
                "cpus" => cpus = Some(number(rest).ok_or(whole_number("cpus"))?),
                "memory_kib" => memory_kib = Some(number(rest).ok_or(whole_number("memory_kib"))?),
                "instance" => instance = Some(instance_id(rest)?),
                _ => return Err(Error::UnknownLine(index + 1)),
            }
        }
        match version.ok_or(Error::MissingLine("runner"))? {
            VERSION => {}
            other => return Err(Error::Version(other)),
        }
        Ok(Self { client: client.ok_or(Error::MissingLine("client"))?, gpus, cpus, memory_kib, instance })
    }
}

fn instance_id(id: &str) -> Result<String, Error> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
    if id.is_empty() || id.len() > 128 || !id.bytes().all(plain) {
        return Err(Error::Line {
            line: "instance",
            expected: "letters, digits, dots, dashes in at most 128 bytes",
        });
    }
    Ok(id.to_owned())
}

fn whole_number(line: &'static str) -> Error {
    Error::Line { line, expected: "a whole number" }
}

fn client_named(name: &str) -> Result<Client, Error> {
    match name {
        "curl" => Ok(Client::Curl),
        "wget" => Ok(Client::Wget),
        "busybox" => Ok(Client::Busybox),
        "python3" => Ok(Client::Python3),
        _ => Err(Error::Line { line: "client", expected: "curl, wget, busybox or python3" }),
    }
}

fn gpu(csv: &str) -> Result<Gpu, Error> {
    let fields: Vec<&str> = csv.split(',').map(str::trim).collect();
    match fields[..] {
        [name, memory, driver] if !name.is_empty() && csv.len() <= 300 => {
            Ok(Gpu { name: name.into(), memory: memory.into(), driver: driver.into() })
        }
        _ => Err(Error::Line { line: "gpu", expected: "name, memory, driver in at most 300 bytes" }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_start_is_read() {
        let body = b"runner 1\nclient curl\ngpu NVIDIA GeForce RTX 4090, 24564 MiB, 550.54.15\ncpus 16\nmemory_kib 65536\ninstance 7h9k2m4n6p\n";
        let start = Start::parse(body).unwrap();
        assert_eq!(start.client, Client::Curl);
        assert_eq!(start.gpus[0].name, "NVIDIA GeForce RTX 4090");
        assert_eq!(start.gpus[0].memory, "24564 MiB");
        assert_eq!((start.cpus, start.memory_kib), (Some(16), Some(65536)));
        assert_eq!(start.instance.as_deref(), Some("7h9k2m4n6p"));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (body, error) in [
            (&b""[..], Error::MissingLine("runner")),
            (b"runner 1\n", Error::MissingLine("client")),
            (b"runner 2\nclient curl", Error::Version(2)),
            (b"runner one", Error::Line { line: "runner", expected: "a whole number" }),
            (
                b"runner 1\nclient telnet",
                Error::Line { line: "client", expected: "curl, wget, busybox or python3" },
            ),
            (b"runner 1\nclient curl\nbogus", Error::UnknownLine(3)),
            (b"runner 1\nclient curl\ncpus -1", Error::Line { line: "cpus", expected: "a whole number" }),
            (b"\xff", Error::Body("UTF-8")),
        ] {
            assert_eq!(Start::parse(body), Err(error));
        }
        assert!(Start::parse(&vec![b'\n'; MAX_BYTES + 1]).is_err());
    }
}
