/**
 * Recordings of real previews in tests/fixtures/previews: tests/lab/21-report.test.ts and
 * 32-cluster-nodes.test.ts make them.
 */
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Recording } from "../cli/preview/build";

export const RECORDINGS = join(__dirname, "fixtures", "previews");

export function writeRecording(name: string, { events, notices, exitCode }: Recording): void {
  const directory = join(RECORDINGS, name);
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, "events.jsonl"), events);
  writeFileSync(join(directory, "notices.jsonl"), notices);
  writeFileSync(join(directory, "exit-code"), `${exitCode}\n`);
}

export const recordingNames = (): string[] => readdirSync(RECORDINGS).sort();

export function readRecording(name: string): Recording {
  const read = (file: string): string => readFileSync(join(RECORDINGS, name, file), "utf8");
  return {
    events: read("events.jsonl"),
    notices: read("notices.jsonl"),
    plan: "",
    stderr: "",
    exitCode: Number(read("exit-code")),
  };
}
