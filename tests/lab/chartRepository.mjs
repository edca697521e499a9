/** `node chartRepository.mjs DIRECTORY PORT`: serves a Helm repository on loopback. */
import { createReadStream, existsSync } from "node:fs";
import { createServer } from "node:http";
import { basename, join } from "node:path";

const [directory, port] = process.argv.slice(2);

createServer((request, response) => {
  const file = join(directory, basename(request.url ?? ""));
  response.writeHead(existsSync(file) ? 200 : 404);
  if (existsSync(file)) createReadStream(file).pipe(response);
  else response.end();
}).listen(Number(port), "127.0.0.1", () => process.stdout.write("serving\n"));
