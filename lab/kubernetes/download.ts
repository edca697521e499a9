/** Downloads of official releases. A file without its published SHA-256 never counts. */
import { createHash } from "node:crypto";
import { chmodSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { run } from "../command";
import type { Source } from "./programs";

const CHECKSUM_TIMEOUT_MS = 15_000;
const DOWNLOAD_TIMEOUT_MS = 600_000;

/** The server did not answer, or has no such release. */
export class UnavailableError extends Error {}

/** Puts the programs of a release into a new directory. */
export async function download(source: Source, directory: string): Promise<void> {
  const { release, programs } = source;
  if (release === undefined) throw new UnavailableError(`${source.name} has no checksums`);
  mkdirSync(directory, { recursive: true });
  if (release.kind === "files") {
    for (const program of programs) {
      const url = release.url(program);
      const sum = parseSum(await text(release.sumUrl(program)), basename(url));
      await fetchFile(url, sum, join(directory, program));
    }
  } else {
    const archive = join(directory, basename(release.url));
    const sum = parseSum(await text(release.sumsUrl), basename(release.url));
    await fetchFile(release.url, sum, archive);
    const root = release.root ?? basename(release.url, ".tar.gz");
    const inside = programs.map((program) => `${root}/${program}`);
    await run(["tar", "-xzf", archive, "-C", directory, "--strip-components=1", ...inside]);
    rmSync(archive);
  }
  for (const program of programs) chmodSync(join(directory, program), 0o755);
}

/** The checksum of a file, from a list of checksums or from a text with only this one. */
export function parseSum(sums: string, file: string): string {
  const lines = sums.split("\n").map((line) => line.trim().split(/\s+\*?/));
  const own = lines.find((words) => words[1] === file) ?? lines.find((words) => words.length === 1);
  const sum = own?.[0];
  if (sum === undefined || !/^[0-9a-f]{64}$/.test(sum)) {
    throw new UnavailableError(`no SHA-256 of ${file} is published`);
  }
  return sum;
}

async function text(url: string): Promise<string> {
  const answer = await get(url, CHECKSUM_TIMEOUT_MS);
  return answer.text();
}

async function get(url: string, timeoutMs: number): Promise<Response> {
  let answer: Response;
  try {
    answer = await fetch(url, { signal: AbortSignal.timeout(timeoutMs) });
  } catch (error) {
    throw new UnavailableError(`${url}: ${String(error)}`);
  }
  if (!answer.ok) throw new UnavailableError(`${url}: ${answer.status} ${answer.statusText}`);
  return answer;
}

export async function fetchFile(url: string, sum: string, path: string): Promise<void> {
  const answer = await get(url, DOWNLOAD_TIMEOUT_MS);
  const content = Buffer.from(await answer.arrayBuffer());
  const actual = createHash("sha256").update(content).digest("hex");
  if (actual !== sum) {
    throw new Error(`${url}: the SHA-256 is ${actual}, but ${sum} is published`);
  }
  writeFileSync(path, content);
}
