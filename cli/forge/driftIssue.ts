/** One issue for the drift of a stack: opened when there is drift, closed when it is gone. */
import { z } from "zod";
import type { Forge } from "./api";
import { readMarker } from "./marker";

const issueSchema = z.object({
  number: z.number(),
  body: z.string().nullish(),
  user: z.object({ login: z.string() }).nullish(),
});

export interface DriftIssue {
  title: string;
  /** With the marker of kind `drift` in its first line. Undefined: there is no drift. */
  body: string | undefined;
}

export async function writeDriftIssue(
  forge: Forge,
  stack: string,
  { title, body }: DriftIssue,
  key: string | undefined,
): Promise<"opened" | "updated" | "closed" | "nothing"> {
  const open = await findIssues(forge, stack, key);
  if (body === undefined) {
    for (const number of open) {
      const comment = { body: "The drift is gone." };
      await forge.post(forge.inRepository(`/issues/${number}/comments`), comment);
      await forge.patch(forge.inRepository(`/issues/${number}`), { state: "closed" });
    }
    return open.length === 0 ? "nothing" : "closed";
  }
  const [first] = open;
  if (first === undefined) {
    await forge.post(forge.inRepository("/issues"), { title, body });
    return "opened";
  }
  await forge.patch(forge.inRepository(`/issues/${first}`), { body });
  return "updated";
}

async function findIssues(forge: Forge, stack: string, key: string | undefined): Promise<number[]> {
  const account = await forge.account();
  const issues = await forge.list(forge.inRepository("/issues?state=open"), issueSchema);
  return issues
    .filter(({ user, body }) => {
      const marker = readMarker(body ?? "", key);
      return user?.login === account && marker?.kind === "drift" && marker.stack === stack;
    })
    .map(({ number }) => number)
    .sort((a, b) => a - b);
}
