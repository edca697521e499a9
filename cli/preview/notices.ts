/** The provider's notices: contract/notices.ts. Lines of a newer provider are ignored. Pure. */
import { z } from "zod";
import { CLUSTER_ACTIONS, EFFECTS } from "../../contract/notices";
import type { ClusterNotice, ClusterPlan } from "../../contract/notices";
import type { FailureNotice, Notice, PlanNotice } from "../../contract/notices";
import { json } from "./events";
import type { ValueReader } from "./values";

const change = z.object({
  name: z.string(),
  from: z.string().exactOptional(),
  to: z.string().exactOptional(),
});
const planNotice = z.object({
  kind: z.literal("plan"),
  urn: z.string(),
  effect: z.enum(EFFECTS),
  reason: z.string(),
  packages: z.array(change),
}) satisfies z.ZodType<PlanNotice>;
const clusterStep = z.object({
  action: z.enum(CLUSTER_ACTIONS),
  names: z.array(z.string()),
  text: z.string(),
  blockers: z.array(z.string()),
});
const clusterNotice = z.object({
  kind: z.literal("cluster"),
  urn: z.string(),
  name: z.string(),
  steps: z.array(clusterStep),
  interruption: z.string(),
  unread: z.string(),
  remark: z.string(),
}) satisfies z.ZodType<ClusterNotice>;
const failureNotice = z.object({
  kind: z.literal("failure"),
  urn: z.string(),
  host: z.string(),
  cause: z.string(),
  what: z.string(),
  remedy: z.string().exactOptional(),
}) satisfies z.ZodType<FailureNotice>;
const notice = z.discriminatedUnion("kind", [planNotice, clusterNotice, failureNotice]);

/** The plan of each resource, and each failure once. */
export interface Notices {
  plans: ReadonlyMap<string, PlanNotice>;
  failures: readonly FailureNotice[];
  /** Undefined if the cluster does not change, or if there is none. */
  cluster: ClusterPlan | undefined;
}

export function parseNotices(text: string, reader: ValueReader): Notices {
  const plans = new Map<string, PlanNotice>();
  const failures = new Map<string, FailureNotice>();
  let cluster: ClusterPlan | undefined;
  for (const line of text.split("\n")) {
    const parsed = notice.safeParse(json(reader.redact(line)));
    if (!parsed.success) continue;
    const found: Notice = parsed.data;
    if (found.kind === "plan") plans.set(found.urn, found);
    else if (found.kind === "cluster") cluster = planIn(found);
    else failures.set(JSON.stringify([found.urn, found.cause, found.what]), found);
  }
  return { plans, failures: [...failures.values()], cluster };
}

function planIn({ name, steps, interruption, unread, remark }: ClusterNotice): ClusterPlan {
  return { name, steps, interruption, unread, remark };
}
