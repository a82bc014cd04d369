# Estimates pi by throwing darts, for about twenty seconds, and says how far it is.
import json, os, random, time

ROUNDS, DARTS = 40, 200_000
random.seed(int(os.environ.get("SEED", "7")))
hits = thrown = 0
print(f"attempt {os.environ['GPU_ATTEMPT']} of job {os.environ['GPU_JOB_ID']}", flush=True)
for n in range(1, ROUNDS + 1):
    began = time.monotonic()
    hits += sum(random.random() ** 2 + random.random() ** 2 <= 1 for _ in range(DARTS))
    thrown += DARTS
    print(f"round {n:2}: pi is about {4 * hits / thrown:.6f}", flush=True)
    print(f"::progress {n / ROUNDS:.3f} round {n} of {ROUNDS}", flush=True)
    time.sleep(max(0.0, 0.5 - (time.monotonic() - began)))
with open(os.environ["GPU_OUTPUT"], "w") as output:
    json.dump({"pi": 4 * hits / thrown, "darts": thrown}, output)
