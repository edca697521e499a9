/** The inputs and the outputs of `GitSeed`. */
import { isAbsolute } from "node:path";
import { z } from "zod";

const commitId = z
  .string()
  .regex(/^([0-9a-f]{40}|[0-9a-f]{64})$/, "must be the id of a Git object");

/** Names that Gitea and Git accept, and that mean nothing else in a URL. */
const gitName = "[A-Za-z0-9_][A-Za-z0-9_.-]*";

export const kubeName = z
  .string()
  .regex(/^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/, "must be lower-case letters, digits and '-'");

export const inputs = z.object({
  directory: z
    .string()
    .refine(isAbsolute, "must be an absolute path")
    .describe("The GitOps tree, a directory in the user's repository."),
  commit: commitId.describe("The commit of that repository. It is pushed."),
  content: commitId.describe("The tree of the commit: a change of it is a change of the seed."),
  branch: z
    .string()
    .regex(new RegExp(`^${gitName}(/${gitName})*$`), "must be the name of a branch")
    .describe("The branch in the Git server."),
  repository: z
    .string()
    .regex(new RegExp(`^${gitName}/${gitName}$`), "must be OWNER/NAME")
    .describe("The repository in the Git server: OWNER/NAME."),
  namespace: kubeName.describe("Namespace of the Git server."),
  service: kubeName.describe("Its service."),
  port: z.int().min(1).max(65535).describe("The port of the service, with HTTP."),
  user: z.string().min(1).describe("User who pushes."),
  password: z.string().min(1).describe("The user's password. A secret."),
});
export type Inputs = z.infer<typeof inputs>;

export const outputs = z.object({
  status: z
    .string()
    .describe(
      "seeded: the branch contains the last seed, and maybe more; differs: it does not; empty: " +
        "the branch does not exist; absent: the repository does not exist.",
    ),
  seeded: z.string().describe("The last commit of the site that the branch contained."),
});
export type State = z.infer<typeof outputs>;
