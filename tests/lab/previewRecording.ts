/**
 * Recordings of real previews: the engine's event log and the provider's notices, without what
 * differs from machine to machine.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import { NOTICES_FILE } from "../../contract/notices";
import type { Recording } from "../../cli/preview/build";
import { PROJECT, STACK, lab } from "./lab";

/** Runs a preview as `pulumi-microvm preview` does, and returns what it wrote. */
export async function recorded(...args: string[]): Promise<Recording> {
  const directory = mkdtempSync(join(tmpdir(), "pulumi-microvm-record-"));
  const [events, notices] = [join(directory, "events"), join(directory, "notices")];
  try {
    writeFileSync(notices, "");
    const variables = ["PULUMI_DEBUG_COMMANDS=true", `${NOTICES_FILE}=${notices}`];
    const log = [`--event-log=${events}`, "--non-interactive", "--color=never"];
    const command = ["pulumi", "preview", "--diff", STACK, ...log, ...args];
    const { code } = await lab(["exec", "env", ...variables, ...command]);
    return {
      events: scrubbed(readFileSync(events, "utf8")),
      notices: withoutPaths(readFileSync(notices, "utf8")),
      plan: "",
      stderr: "",
      exitCode: code,
    };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

const stateSchema = z
  .object({
    urn: z.string(),
    id: z.string(),
    protect: z.boolean().optional(),
    inputs: z.unknown(),
    outputs: z.unknown(),
    initErrors: z.unknown().optional(),
  })
  .nullable();
const stepSchema = z.object({
  metadata: z.object({
    op: z.string(),
    urn: z.string(),
    old: stateSchema,
    new: stateSchema,
    diffs: z.unknown().optional(),
    detailedDiff: z.unknown(),
  }),
});
const event = z.object({
  resourcePreEvent: stepSchema.optional(),
  resOutputsEvent: stepSchema.optional(),
  diagnosticEvent: z
    .looseObject({ severity: z.string(), ephemeral: z.boolean().optional() })
    .optional(),
  summaryEvent: z.unknown().optional(),
});

/** Only what the reader reads. Status lines come at any time, and the configuration has paths. */
function scrubbed(text: string): string {
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => event.parse(JSON.parse(line)))
    .filter(
      ({ resourcePreEvent: planned, resOutputsEvent: done, diagnosticEvent: said, ...more }) => {
        if (planned !== undefined) return planned.metadata.op !== "refresh";
        if (done !== undefined) return done.metadata.op === "refresh";
        if (said !== undefined) return said.severity !== "debug" && said.ephemeral !== true;
        return more.summaryEvent !== undefined;
      },
    )
    .map((one) => `${withoutPaths(JSON.stringify(one))}\n`)
    .join("");
}

function withoutPaths(text: string): string {
  return text
    .replaceAll(PROJECT, "/project")
    .replaceAll(tmpdir(), "/tmp")
    .replace(/\/pulumi-microvm-test-[A-Za-z0-9]+/g, "/site")
    .replaceAll(homedir(), "/home/me");
}
