/** What the API servers of the lab did, by their audit logs: lab/flake/scripts/k0s/audit.yaml. */
import { z } from "zod";
import { on } from "./lab";

const LOG = "/var/log/k0s-audit.log";

const event = z.object({
  verb: z.string(),
  user: z.object({ username: z.string() }),
  objectRef: z.object({
    resource: z.string(),
    subresource: z.string().optional(),
    name: z.string().optional(),
  }),
  requestReceivedTimestamp: z.string(),
});

/** The user of the provider's requests. */
export const PROVIDER_USER = "pulumi-microvm";

/** Requests that drain or delete, in a span of time: `pulumi-microvm delete nodes w1`. */
export async function audited(
  controllers: readonly string[],
  from: Date,
  to: Date,
): Promise<string[]> {
  const texts = await Promise.all(controllers.map((one) => on(one, `cat ${LOG}`)));
  return texts
    .flatMap((text) => text.split("\n"))
    .filter((line) => line !== "")
    .map((line) => event.parse(JSON.parse(line)))
    .filter(({ requestReceivedTimestamp }) => {
      const at = new Date(requestReceivedTimestamp);
      return at >= from && at <= to;
    })
    .map(({ user, verb, objectRef: { resource, subresource, name = "" } }) =>
      [user.username, verb, subresource ? `${resource}/${subresource}` : resource, name].join(" "),
    );
}
