/** Comments: nothing in them can be taken for Markdown, they fit, and they have no secret. */
import fc from "fast-check";
import { buildPreview } from "../../../cli/preview/build";
import { comment, wholeReport } from "../../../cli/report/comment";
import type { RunInfo } from "../../../cli/report/comment";
import { cell, code, codeBlock, html, link, oneLine } from "../../../cli/report/escape";
import {
  END,
  componentStep,
  logOf,
  plain,
  planOf,
  refresh,
  said,
  secret,
  step,
  urnOf,
} from "./eventLog";

const RUN: RunInfo = {
  stack: "site/prod",
  commit: "0123456789abcdef",
  jobUrl: "https://git.example/me/site/actions/runs/7",
  command: "pulumi-microvm preview",
  hash: "",
  ignoresSecrets: false,
};

const modelOf = (...events: object[]) =>
  buildPreview({ events: logOf(...events), notices: "", plan: "", stderr: "", exitCode: 0 }, "key")
    .model;

describe("escaping", () => {
  const hostile = fc.string({
    unit: fc.constantFrom("`", "|", "\\", "@me", "<b>", "\n", "a", " ", "\u202e"),
  });

  test("inline code is one span on one line, whatever it holds", () => {
    fc.assert(
      fc.property(hostile, (text) => {
        const span = code(text);
        expect(span).not.toMatch(/[\n\u202e]/);
        if (oneLine(text) === "") return span === "";
        const fence = /^`+/.exec(span)?.[0] ?? "";
        expect(span.endsWith(fence)).toBe(true);
        // The fence is longer than any run of backticks inside of it.
        const inside = span.slice(fence.length, -fence.length);
        expect(inside).not.toContain(fence);
        return !inside.startsWith("`") && !inside.endsWith("`");
      }),
    );
  });

  test("a cell has no pipe that could end it", () => {
    fc.assert(fc.property(hostile, (text) => expect(cell(text)).not.toMatch(/(^|[^\\])\|/)));
  });

  test("a block can't be closed from inside", () => {
    fc.assert(
      fc.property(hostile, (text) => {
        const lines = codeBlock(text).split("\n");
        const fence = (lines[0] ?? "").replace("text", "");
        expect(lines.at(-1)).toBe(fence);
        for (const line of lines.slice(1, -1)) expect(line).not.toContain(fence);
      }),
    );
  });

  test("HTML and links", () => {
    expect(html("<img src=x onerror=alert(1)> @me #1")).not.toMatch(/[<@#](?!\/?code>|\d+;)/);
    expect(link("job", "javascript:alert(1)")).toBe("job");
    expect(link("job", "https://x/a b>c")).toBe("[job](<https://x/a%20b%3Ec>)");
  });

  test("long values are cut", () => {
    expect(oneLine("x".repeat(400), 10)).toBe(`${"x".repeat(9)}…`);
  });
});

test("names and messages of a hostile site stay code", () => {
  const name = "`x` | </details> @me <script>";
  const text = comment(
    modelOf(
      step("MicroVm", "kw1", { new: { name, host: "hv1" }, diff: { 'a["|"]': "input" } }),
      said("error", `${name}\n\`\`\`\n## Title\n@team`, urnOf("MicroVm", "kw1")),
      END,
    ),
    RUN,
  );
  // Outside of code nothing of it is left.
  const prose = text
    .replace(/^ *(`{3,})text\n[^]*?\n *\1$/gm, "")
    .replace(/(`+)[^]*?[^`]\1(?!`)/g, "");
  expect(prose).not.toMatch(/@|<script|## Title/);
});

describe("what a reviewer reads first", () => {
  const hosts = ["hv1", "hv2"].map((name) => urnOf("Hypervisor", name));

  test("a problem of several lines says its cause, without the remedy", () => {
    const [urn = ""] = hosts;
    const error = "hv1 is not ready:\n  - kvm: no device. Remedy: Enable it.\n  - nix: none";
    const model = modelOf(step("Hypervisor", "hv1", { op: "same" }), said("error", error, urn));
    const text = comment(model, RUN);
    expect(text).toContain(
      "- **Blocked (1)**: `Hypervisor hv1: hv1 is not ready: kvm: no device; nix: none`\n",
    );
    expect(text).toContain("  - kvm: no device. Remedy: Enable it.\n");
  });

  test("a long line of a problem is folded, so that its end is seen", () => {
    const error = `broken:\n  - ${"word ".repeat(60)}end`;
    const text = comment(modelOf(said("error", error, hosts[0])), RUN);
    const block = /```text\n([^]*?)```/.exec(text)?.[1] ?? "";
    expect(block.replaceAll(/\s+/g, " ")).toContain("word end");
    for (const line of block.split("\n")) expect(line.length).toBeLessThanOrEqual(102);
  });

  test("the same warning of two hosts is one, with both names", () => {
    const of = (host: string, urn: string): object => said("warning", `${host}: no KVM`, urn);
    const text = comment(modelOf(of("hv1", hosts[0] ?? ""), of("hv2", hosts[1] ?? ""), END), RUN);
    expect(text).toContain("- `Hypervisor hv1`, `Hypervisor hv2`: `no KVM`\n");
  });

  test("each deletion has a line, and components are not counted", () => {
    const gone = { op: "delete", new: null };
    const steps = [step("Volume", "a", gone), step("MicroVm", "kw1", gone)];
    const model = modelOf(...steps, componentStep("kw1", gone), END);
    expect(model.counts).toMatchObject({ delete: 2 });
    const text = comment(model, RUN);
    expect(text).toContain("Resources: 2 to delete\n\n- **Deleted (2)**:\n  - `Volume a: ");
    expect(text).not.toContain("component");
  });
});

describe("length", () => {
  const many = Array.from({ length: 400 }, (_, index) =>
    step("NixClosure", `kw${index}`, {
      old: { name: `kw${index}`, a: "x".repeat(200) },
      new: { name: `kw${index}`, a: "y".repeat(200) },
      diff: { a: "input" },
    }),
  );
  const deleted = step("Volume", "important", { op: "delete", new: null });
  const model = modelOf(...many, deleted, END);

  test("what is least important is left out first, and that is said", () => {
    const text = comment(model, RUN);
    expect(text.length).toBeLessThanOrEqual(60_000);
    expect(text.length).toBeGreaterThan(55_000);
    expect(text).toMatch(/\*\d+ resources left out: the artifact of the job has all\.\*/);
    expect(text).toContain("`Volume important");
    expect(text).toContain("Run it again");
    expect(wholeReport(model, RUN)).not.toContain("left out");
    expect(wholeReport(model, RUN)).toContain("update NixClosure kw399");
  });

  test.each([0, 500, 1_000, 5_000, 20_000])("a comment fits into %i characters", (longest) => {
    const text = comment(model, RUN, { longest });
    expect(text.length).toBeLessThanOrEqual(Math.max(longest, 120));
  });
});

test("secrets never appear: in values, errors, warnings, notices or the end of stderr", () => {
  const CANARY = "canary-1f0e9d8c";
  const pem = `-----BEGIN KEY-----\n${CANARY}-second-line\n-----END KEY-----`;
  const urn = urnOf("MicroVm", "kw1");
  const events = logOf(
    refresh("MicroVm", "kw1", {
      oldOutputs: { password: secret() },
      newOutputs: { password: secret(), copy: `it is ${CANARY}` },
      initErrors: [`can't log in with ${CANARY}`],
    }),
    step("MicroVm", "kw1", {
      old: { token: secret(), deep: { list: [secret()] }, hash: "0" },
      new: { token: secret(), deep: { list: [secret()] }, hash: `of ${CANARY}` },
      diff: { token: "input", "deep.list": "input", hash: "input" },
    }),
    said("error", `refused: ${CANARY}`, urn),
    said("warning", `${CANARY}-second-line is weak`),
    END,
  );
  const plan = planOf({ [urn]: { token: plain(CANARY), deep: { list: [plain({ key: pem })] } } });
  const what = `${CANARY} "${pem}"`;
  const failure = { kind: "failure", urn, host: "hv1", cause: "operation", what };
  const notices = `${JSON.stringify(failure)}\n`;
  const recording = { events, notices, plan, stderr: CANARY, exitCode: 1 };
  const { model, hash } = buildPreview(recording, "key");
  const all = [comment(model, RUN), wholeReport(model, RUN), JSON.stringify({ model, hash })];
  for (const text of all) expect(text).not.toContain("canary");
  // The test can fail: the log has them, and the report has their places.
  expect(events).toContain(CANARY);
  expect(all[0]).toContain("[secret]");
});
