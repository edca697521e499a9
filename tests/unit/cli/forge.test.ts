/** The sticky comment and the issue of drift, on GitHub and on Gitea or Forgejo. */
import { Forge, ForgeError } from "../../../cli/forge/api";
import { findComment, pullRequestOf, writeComment } from "../../../cli/forge/comments";
import { writeDriftIssue } from "../../../cli/forge/driftIssue";
import { forgeOf, workflowOf } from "../../../cli/forge/environment";
import { marker, readMarker } from "../../../cli/forge/marker";
import type { MarkerFacts } from "../../../cli/forge/marker";
import { FakeForge } from "./fakeForge";
import type { Kind } from "./fakeForge";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const KEY = "a key";
const STACK = "site/prod";
const facts = (more: Partial<MarkerFacts> = {}): MarkerFacts => ({
  kind: "preview",
  stack: STACK,
  commit: "c0ffee",
  hash: "abc",
  entries: { a: "b" },
  ...more,
});
const bodyOf = (text: string, more: Partial<MarkerFacts> = {}, key: string | undefined = KEY) =>
  `${marker(facts(more), key)}\n${text}`;

describe("the marker", () => {
  test("is read as it was written, and nobody else can write it", () => {
    const text = bodyOf("text");
    expect(readMarker(text, KEY)).toEqual({ ...facts(), isSigned: true });
    expect(readMarker(text.replace("abc", "abd"), KEY)).toMatchObject({ isSigned: false });
    expect(readMarker(bodyOf("text", {}, "other"), KEY)).toMatchObject({ isSigned: false });
    expect(readMarker(text, undefined)).toMatchObject({ isSigned: true });
  });

  test("is a comment of HTML whatever it holds", () => {
    const hostile = facts({ stack: "a--><img> --!> &", commit: "\n-->" });
    const [line = "", ...more] = `${marker(hostile, KEY)}\nx`.split("\n");
    expect(more).toEqual(["x"]);
    expect(line.slice(4, -3)).not.toMatch(/[<>]|--/);
    expect(readMarker(line, KEY)).toMatchObject({ stack: hostile.stack, commit: hostile.commit });
  });

  test("counts only in the first line", () => {
    expect(readMarker(`quoted:\n${bodyOf("x")}`, KEY)).toBeUndefined();
    expect(readMarker("<!-- pulumi-microvm {} -->", KEY)).toBeUndefined();
    expect(readMarker("<!-- pulumi-microvm not json -->", KEY)).toBeUndefined();
  });
});

describe.each(["github", "gitea"] as const)("%s", (kind: Kind) => {
  let server: FakeForge;
  let forge: Forge;
  const environment = (): NodeJS.ProcessEnv => ({
    GITHUB_API_URL: server.apiUrl,
    GITHUB_REPOSITORY: "me/site",
    GITHUB_TOKEN: "a token",
    ...(kind === "gitea" && { GITEA_ACTIONS: "true" }),
  });
  beforeEach(async () => {
    server = await FakeForge.start(kind);
    forge = forgeOf(environment(), undefined);
  });
  afterEach(() => server.stop());

  const write = (body: string, stack = STACK) => writeComment(forge, 7, stack, body, KEY);

  test("one comment for each stack, renewed in place", async () => {
    expect(await write(bodyOf("one"))).toBe("created");
    expect(await write(bodyOf("other", { stack: "site/dev" }), "site/dev")).toBe("created");
    expect(await write(bodyOf("two"))).toBe("updated");
    expect(server.comments.map(({ body }) => body.split("\n")[1])).toEqual(["two", "other"]);
    expect(await findComment(forge, 8, STACK, KEY)).toBeUndefined();
    expect([...server.authorizations]).toEqual(["Bearer a token"]);
  });

  test("it is found behind all pages, and only the own account's counts", async () => {
    for (let index = 0; index < 120; index += 1) server.comment(7, "someone", `talk ${index}`);
    server.comment(7, "mallory", bodyOf("forged", { hash: "evil" }));
    const own = server.comment(7, server.login, bodyOf("mine"));
    for (let index = 0; index < 120; index += 1) server.comment(7, "someone", bodyOf("copy"));
    expect(await findComment(forge, 7, STACK, KEY)).toMatchObject({
      id: own.id,
      marker: { hash: "abc" },
    });
    expect(await write(bodyOf("renewed"))).toBe("updated");
    expect(server.comments.filter(({ body }) => body.includes("renewed"))).toHaveLength(1);
  });

  test("--account names another one", async () => {
    server.comment(7, "robot", bodyOf("by the robot"));
    const named = forgeOf(environment(), "robot");
    expect(await findComment(named, 7, STACK, KEY)).toBeDefined();
    expect(server.requests).not.toContain("GET /user");
  });

  test("a server error is tried again; a comment is not posted twice", async () => {
    server.failures = kind === "github" ? [0, 502] : [502];
    expect(await write(bodyOf("one"))).toBe("created");
    server.failures = [0, 0, 502];
    await expect(writeComment(forge, 9, STACK, bodyOf("x"), KEY)).rejects.toThrow(
      "POST " + new URL(server.apiUrl).pathname.replace(/\/$/, "") + "/repos/me/site/issues/9",
    );
    expect(server.comments).toHaveLength(1);
  });

  test("a refusal names the request and the remedy", async () => {
    server.failures = [0, 403];
    const error: unknown = await write(bodyOf("one")).catch((failure: unknown) => failure);
    if (!(error instanceof ForgeError)) throw new Error(String(error));
    expect(error.status).toBe(403);
    expect(error.remedy).toContain("pull-requests: write");
  });

  test("the merged pull request of a commit", async () => {
    const merged = { merged_at: "2026-01-01T00:00:00Z", merge_commit_sha: "abc" };
    server.pulls["abc"] = [{ number: 12, ...merged }];
    server.pulls["open"] = [{ number: 13, merged_at: null, merge_commit_sha: null }];
    expect(await pullRequestOf(forge, "abc")).toBe(12);
    expect(await pullRequestOf(forge, "open")).toBeUndefined();
    expect(await pullRequestOf(forge, "none")).toBeUndefined();
  });

  test("drift opens one issue, renews it, and closes it", async () => {
    for (let index = 1; index <= 60; index += 1) {
      const user = { login: "someone" };
      server.issues.push({
        number: index,
        title: "t",
        body: bodyOf("x", { kind: "drift" }),
        state: "open",
        user,
      });
    }
    const body = (text: string): string => bodyOf(text, { kind: "drift" });
    const issue = (text?: string) =>
      writeDriftIssue(forge, STACK, { title: "Drift", body: text && body(text) }, KEY);
    expect(await issue()).toBe("nothing");
    expect(await issue("one")).toBe("opened");
    expect(await issue("two")).toBe("updated");
    const own = server.issues.filter(({ user }) => user.login === server.login);
    expect(own).toMatchObject([{ title: "Drift", state: "open", body: body("two") }]);
    expect(await issue()).toBe("closed");
    expect(own[0]?.state).toBe("closed");
    expect(await issue()).toBe("nothing");
    expect(server.issues.filter(({ state }) => state === "closed")).toHaveLength(1);
  });
});

test("the token stays with the API, whatever a header names as the next page", async () => {
  const other = await FakeForge.start("github");
  const server = await FakeForge.start("github");
  for (let index = 0; index < 120; index += 1) server.comment(7, "someone", "x");
  const real = globalThis.fetch;
  const spy = jest.spyOn(globalThis, "fetch").mockImplementation(async (input, init) => {
    const response = await real(input, init);
    const link = response.headers.get("link")?.replaceAll(server.apiUrl, other.apiUrl);
    return new Response(await response.text(), {
      status: response.status,
      headers: link === undefined ? {} : { link },
    });
  });
  try {
    const options = { apiUrl: server.apiUrl, repository: "me/site", token: "t" };
    const forge = new Forge({ ...options, account: "a", fallbackAccount: "" });
    expect(await findComment(forge, 7, STACK, KEY)).toBeUndefined();
    expect(other.requests).toEqual([]);
    expect(server.requests).toHaveLength(2);
  } finally {
    spy.mockRestore();
    await server.stop();
    await other.stop();
  }
});

describe("the workflow", () => {
  const directory = mkdtempSync(join(tmpdir(), "pulumi-microvm-event-"));
  afterAll(() => rmSync(directory, { recursive: true }));

  test("of a pull request: the head of its branch", () => {
    const file = join(directory, "event.json");
    writeFileSync(file, JSON.stringify({ pull_request: { number: 5, head: { sha: "head" } } }));
    const env = {
      GITHUB_EVENT_PATH: file,
      GITHUB_SHA: "merge",
      GITHUB_SERVER_URL: "https://github.com",
      GITHUB_REPOSITORY: "me/site",
      GITHUB_RUN_ID: "99",
      GITHUB_RUN_NUMBER: "3",
    };
    const jobUrl = "https://github.com/me/site/actions/runs/99";
    expect(workflowOf(env)).toMatchObject({ commit: "head", pullRequest: 5, jobUrl });
    const gitea = "https://github.com/me/site/actions/runs/3";
    expect(workflowOf({ ...env, GITEA_ACTIONS: "true" }).jobUrl).toBe(gitea);
  });

  test("elsewhere nothing is known, and what is missing is named", () => {
    expect(workflowOf({})).toMatchObject({ commit: "", jobUrl: "", pullRequest: undefined });
    expect(() => forgeOf({}, undefined)).toThrow("GITHUB_API_URL is not set");
  });
});
