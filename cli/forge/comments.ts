/** The sticky comment of a stack: one for each stack, written again in place. */
import { z } from "zod";
import { ForgeError } from "./api";
import type { Forge } from "./api";
import { readMarker } from "./marker";
import type { Marker } from "./marker";

const commentSchema = z.object({
  id: z.number(),
  body: z.string().nullish(),
  user: z.object({ login: z.string() }).nullish(),
});
type Comment = z.infer<typeof commentSchema>;

export interface Found {
  id: number;
  marker: Marker;
}

/** The newest comment about this stack that the own account has written. */
export async function findComment(
  forge: Forge,
  pullRequest: number,
  stack: string,
  key: string | undefined,
): Promise<Found | undefined> {
  const account = await forge.account();
  const path = forge.inRepository(`/issues/${pullRequest}/comments`);
  const comments = await forge.list<Comment>(path, commentSchema);
  return comments
    .filter(({ user }) => user?.login === account)
    .flatMap(({ id, body }): Found[] => {
      const marker = readMarker(body ?? "", key);
      return marker?.kind === "preview" && marker.stack === stack ? [{ id, marker }] : [];
    })
    .sort((a, b) => a.id - b.id)
    .at(-1);
}

/** Writes the comment: over the one that is there, or a new one. */
export async function writeComment(
  forge: Forge,
  pullRequest: number,
  stack: string,
  body: string,
  key: string | undefined,
): Promise<"updated" | "created"> {
  const found = await findComment(forge, pullRequest, stack, key);
  if (found === undefined) {
    await forge.post(forge.inRepository(`/issues/${pullRequest}/comments`), { body });
    return "created";
  }
  await forge.patch(forge.inRepository(`/issues/comments/${found.id}`), { body });
  return "updated";
}

const pullSchema = z.object({
  number: z.number(),
  merged_at: z.string().nullish(),
  merge_commit_sha: z.string().nullish(),
});

/**
 * The merged pull request that a commit came with. GitHub lists all that contain the commit, Gitea
 * and Forgejo answer with one.
 */
export async function pullRequestOf(forge: Forge, commit: string): Promise<number | undefined> {
  const path = forge.inRepository(`/commits/${encodeURIComponent(commit)}`);
  const listed = await found(() => forge.list(`${path}/pulls`, pullSchema));
  const one = listed ?? [(await found(() => forge.get(`${path}/pull`))) ?? []].flat();
  const merged = z
    .array(pullSchema)
    .parse(one)
    .filter(({ merged_at: at }) => typeof at === "string" && at !== "");
  const exact = merged.find(({ merge_commit_sha: sha }) => sha === commit);
  return (exact ?? merged[0])?.number;
}

/** Undefined if there is no such thing. */
async function found<T>(request: () => Promise<T>): Promise<T | undefined> {
  try {
    return await request();
  } catch (error) {
    if (error instanceof ForgeError && error.status === 404) return undefined;
    throw error;
  }
}
