/** The variables of a workflow. GitHub, Gitea and Forgejo Actions set the same names. */
import { readFileSync } from "node:fs";
import { z } from "zod";
import { CliError, EXIT } from "../errors";
import { Forge } from "./api";

const eventSchema = z.object({
  pull_request: z.object({ number: z.number(), head: z.object({ sha: z.string() }) }).optional(),
});

export interface Workflow {
  /** Of a pull request: the head of its branch, not the merge that is checked out. */
  commit: string;
  jobUrl: string;
  /** Where a summary of the job is appended. */
  summaryFile: string | undefined;
  pullRequest: number | undefined;
}

const setting = (env: NodeJS.ProcessEnv, name: string): string => env[name] ?? "";

/** Everything that is not known is empty: the program also runs without a workflow. */
export function workflowOf(env: NodeJS.ProcessEnv): Workflow {
  const pull = pullRequestOf(env["GITHUB_EVENT_PATH"]);
  const summaryFile = env["GITHUB_STEP_SUMMARY"];
  return {
    commit: pull?.head.sha ?? setting(env, "GITHUB_SHA"),
    jobUrl: jobUrl(env),
    summaryFile: summaryFile === "" ? undefined : summaryFile,
    pullRequest: pull?.number,
  };
}

function pullRequestOf(file: string | undefined): z.infer<typeof eventSchema>["pull_request"] {
  if (file === undefined || file === "") return undefined;
  try {
    return eventSchema.parse(JSON.parse(readFileSync(file, "utf8"))).pull_request;
  } catch {
    return undefined;
  }
}

function jobUrl(env: NodeJS.ProcessEnv): string {
  const [server, repository] = [
    setting(env, "GITHUB_SERVER_URL"),
    setting(env, "GITHUB_REPOSITORY"),
  ];
  // Gitea and Forgejo address a run by its number in the repository.
  const run = setting(env, isGitea(env) ? "GITHUB_RUN_NUMBER" : "GITHUB_RUN_ID");
  return [server, repository, run].includes("")
    ? ""
    : `${server}/${repository}/actions/runs/${run}`;
}

const isGitea = (env: NodeJS.ProcessEnv): boolean =>
  setting(env, "GITEA_ACTIONS") === "true" || setting(env, "FORGEJO_ACTIONS") === "true";

/** The API of the forge, with the workflow's token. `account`: whose comments are read. */
export function forgeOf(env: NodeJS.ProcessEnv, account: string | undefined): Forge {
  const required = (name: string, how: string): string => {
    const value = setting(env, name);
    if (value !== "") return value;
    throw new CliError(`${name} is not set`, EXIT.usage, how);
  };
  return new Forge({
    apiUrl: required("GITHUB_API_URL", "Workflows set it. Elsewhere: https://api.github.com"),
    repository: required("GITHUB_REPOSITORY", "Workflows set it. Elsewhere: OWNER/NAME"),
    token: required(
      "GITHUB_TOKEN",
      "In the workflow's step: env: GITHUB_TOKEN: ${{ github.token }}",
    ),
    account,
    fallbackAccount: defaultAccount(env),
  });
}

function defaultAccount(env: NodeJS.ProcessEnv): string {
  if (setting(env, "FORGEJO_ACTIONS") === "true") return "forgejo-actions";
  return isGitea(env) ? "gitea-actions" : "github-actions[bot]";
}
