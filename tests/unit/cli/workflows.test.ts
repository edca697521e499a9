/** The workflows of the template: what they must never do, and that both sets are alike. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parse } from "yaml";
import { z } from "zod";
import { parseCommandLine } from "./commandLine";

const TEMPLATE = join(__dirname, "..", "..", "..", "templates", "site");
const KINDS = [".github", ".gitea"] as const;
const NAMES = ["apply.yml", "destroy.yml", "drift.yml", "preview.yml"];

const stepSchema = z.strictObject({
  uses: z.string().optional(),
  run: z.string().optional(),
  if: z.string().optional(),
  with: z.record(z.string(), z.unknown()).optional(),
  env: z.record(z.string(), z.string()).optional(),
});
const schema = z.strictObject({
  name: z.string(),
  on: z.record(z.string(), z.unknown()),
  permissions: z.record(z.string(), z.enum(["read", "write"])),
  concurrency: z.strictObject({ group: z.string(), "cancel-in-progress": z.literal(false) }),
  env: z.record(z.string(), z.string()),
  jobs: z.record(
    z.string(),
    z.strictObject({
      if: z.string().optional(),
      "runs-on": z.literal("ubuntu-latest"),
      environment: z.string().optional(),
      "timeout-minutes": z.number(),
      steps: z.array(stepSchema),
    }),
  ),
});
type Workflow = z.infer<typeof schema>;

const textOf = (kind: string, name: string): string =>
  readFileSync(join(TEMPLATE, kind, "workflows", name), "utf8");
const read = (kind: string, name: string): Workflow => schema.parse(parse(textOf(kind, name)));
const jobsOf = (workflow: Workflow): Workflow["jobs"][string][] => Object.values(workflow.jobs);

test.each(KINDS)("%s has the four workflows", (kind) => {
  expect(readdirSync(join(TEMPLATE, kind, "workflows")).sort()).toEqual(NAMES);
});

describe.each(KINDS.flatMap((kind) => NAMES.map((name) => [kind, name] as const)))(
  "%s/%s",
  (kind, name) => {
    const workflow = read(kind, name);
    const steps = jobsOf(workflow).flatMap((job) => job.steps);

    test("never runs code of a fork with secrets", () => {
      expect(Object.keys(workflow.on)).not.toContain("pull_request_target");
      expect(Object.keys(workflow.on)).not.toContain("workflow_run");
      if (!("pull_request" in workflow.on)) return;
      for (const job of jobsOf(workflow)) {
        expect(job.if).toBe("github.event.pull_request.head.repo.full_name == github.repository");
      }
    });

    test("puts nothing that people write into a shell", () => {
      for (const { run = "" } of steps) expect(run).not.toContain("${{");
    });

    test("keeps the token out of the checkout, and gives it to one step", () => {
      const checkout = steps.find(({ uses = "" }) => uses.includes("actions/checkout@"));
      expect(checkout?.with).toMatchObject({ "persist-credentials": false });
      const holders = steps.filter(({ env = {} }) => "GITHUB_TOKEN" in env);
      for (const { run } of holders) expect(run).toMatch(/^npx pulumi-microvm /);
      expect(Object.keys(workflow.env)).not.toContain("GITHUB_TOKEN");
    });

    test("changes hosts only in a protected environment, one run at a time", () => {
      if (name === "preview.yml") return;
      expect(workflow.concurrency.group).toBe("prod");
      for (const job of jobsOf(workflow)) expect(job.environment).toBe("prod");
    });

    test("names actions with a version, on Gitea and Forgejo with their full address", () => {
      const prefix = kind === ".gitea" ? "https://github\\.com/" : "";
      for (const { uses } of steps) {
        if (uses !== undefined)
          expect(uses).toMatch(new RegExp(`^${prefix}[\\w-]+/[\\w-]+@v\\d+$`));
      }
    });

    test("calls commands and options that there are", async () => {
      for (const { run = "" } of steps.filter(({ run }) => run?.includes("pulumi-microvm"))) {
        const words = run
          .replace(/ \|\| .*$/, "")
          .replace('"$STACK"', "prod")
          .split(" ")
          .slice(2);
        await parseCommandLine(words);
      }
    });
  },
);

test.each(NAMES)("%s is the same for all forges but for the addresses of actions", (name) => {
  const converted = textOf(".github", name)
    .replace(/uses: /g, "uses: https://github.com/")
    // Gitea and Forgejo have the older protocol of artifacts.
    .replace("upload-artifact@v4", "upload-artifact@v3");
  expect(textOf(".gitea", name)).toBe(converted);
});

test("permissions are the least that each needs", () => {
  const permissions = NAMES.map((name) => [name, read(".github", name).permissions] as const);
  expect(Object.fromEntries(permissions)).toEqual({
    "apply.yml": { contents: "read", issues: "read", "pull-requests": "read" },
    "destroy.yml": { contents: "read" },
    "drift.yml": { contents: "read", issues: "write" },
    "preview.yml": { contents: "read", "pull-requests": "write" },
  });
});

test("destroy runs by hand only", () => {
  for (const kind of KINDS) {
    expect(Object.keys(read(kind, "destroy.yml").on)).toEqual(["workflow_dispatch"]);
  }
});

// Built from its Go module: minutes on a machine that has nothing of it.
const soak = process.env["TEST_SOAK"] === "1" ? test : test.skip;
soak(
  "actionlint finds nothing",
  () => {
    const directory = mkdtempSync(join(tmpdir(), "pulumi-microvm-actionlint-"));
    try {
      const files = NAMES.map((name) => join(TEMPLATE, ".github", "workflows", name));
      const program = "github.com/rhysd/actionlint/cmd/actionlint@v1.7.7";
      execFileSync("go", ["run", program, ...files], { cwd: directory, encoding: "utf8" });
    } finally {
      rmSync(directory, { recursive: true });
    }
  },
  600_000,
);
