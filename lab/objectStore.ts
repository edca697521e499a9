/** An S3-compatible store, versitygw, to try Pulumi's state in one. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { handOver } from "./command";
import { builtProgram } from "./goModule";
import { inOperator } from "./network";

const PROGRAM = {
  module: "objectStore",
  package: "github.com/versity/versitygw/cmd/versitygw",
  binary: "versitygw",
  duration: "2 minutes on 2 cores",
} as const;

/** Only reachable in the operator's network namespace. */
const ADDRESS = "127.0.0.1:7070";
const BUCKET = "pulumi-state";
const KEY = { id: "lab", secret: "lab-object-store" };

const SETTINGS = [
  `AWS_ACCESS_KEY_ID=${KEY.id}`,
  `AWS_SECRET_ACCESS_KEY=${KEY.secret}`,
  `PULUMI_BACKEND_URL=s3://${BUCKET}?endpoint=http://${ADDRESS}&region=us-east-1&` +
    "use_path_style=true&disable_https=true",
];

/** Serves a directory until it is interrupted. Prints the settings for Pulumi first. */
export async function serveObjects(directory: string): Promise<number> {
  const program = await builtProgram(PROGRAM);
  // versitygw keeps what it knows of an object beside the objects, not in extended attributes,
  // which some file systems do not have.
  const [objects, metadata] = [join(directory, "objects"), join(directory, "metadata")];
  mkdirSync(join(objects, BUCKET), { recursive: true });
  mkdirSync(metadata, { recursive: true });
  process.stdout.write(`${SETTINGS.join("\n")}\n`);
  const options = ["--port", ADDRESS, "--quiet", "posix", "--sidecar", metadata, objects];
  return handOver(inOperator([program, ...options]), {
    env: { ...process.env, ROOT_ACCESS_KEY_ID: KEY.id, ROOT_SECRET_ACCESS_KEY: KEY.secret },
  });
}
