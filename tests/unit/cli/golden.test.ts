/**
 * The comments of real previews. The recordings are those of the lab; `cluster` was put together by
 * hand from two of them. UPDATE_COMMENTS=1 writes the comments again, to be looked at before they
 * are committed.
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { buildPreview } from "../../../cli/preview/build";
import type { Preview } from "../../../cli/preview/build";
import { comment } from "../../../cli/report/comment";
import { RECORDINGS, readRecording, recordingNames } from "../../previewRecordings";

const FIRST_LINES = 25;

const previewOf = (name: string): Preview => buildPreview(readRecording(name), "key");

function commentOf(name: string): string {
  const { model, hash } = previewOf(name);
  return comment(model, {
    stack: "",
    commit: "5f1c2b0a9d8e7f6a5b4c3d2e1f0a9b8c7d6e5f4a",
    jobUrl: "https://git.example/me/site/actions/runs/7",
    command: "pulumi-microvm preview --stack lab",
    hash: hash?.hash ?? "",
    ignoresSecrets: false,
  });
}

test("there is a recording of each kind", () => {
  const kinds = ["blocked", "cluster", "dead", "drift", "memory", "packages", "removed"];
  expect(recordingNames()).toEqual(kinds);
});

describe.each(recordingNames())("%s", (name) => {
  test("the comment is the expected one", () => {
    const file = join(RECORDINGS, name, "comment.md");
    const text = commentOf(name);
    if (process.env["UPDATE_COMMENTS"] === "1") writeFileSync(file, text);
    expect(existsSync(file)).toBe(true);
    expect(text).toBe(readFileSync(file, "utf8"));
  });

  test(`deletions, restarts and blockers stand within the first ${FIRST_LINES} lines`, () => {
    const head = commentOf(name).split("\n").slice(0, FIRST_LINES).join("\n");
    const { model } = previewOf(name);
    for (const { resource } of model.problems) expect(head).toContain(resource);
    for (const { resource } of model.deletions) expect(head).toContain(resource);
    const restarts = model.machines.filter(({ effect }) => ["restart", "reboot"].includes(effect));
    for (const machine of restarts) expect(head).toContain(`\`${machine.name}\``);
    const { cluster } = model;
    expect(head).toContain(cluster?.interruption ?? "");
    for (const { text } of cluster?.steps ?? []) expect(head).toContain(text);
  });
});
