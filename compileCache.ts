/**
 * Makes Node keep compiled code between runs, which shortens each start. Imported for its effect by
 * the entry points, before the modules that take time to compile. NODE_COMPILE_CACHE names another
 * directory, NODE_DISABLE_COMPILE_CACHE=1 turns it off.
 */
import * as modules from "node:module";
import { join } from "node:path";

/** Of this user alone: Node trusts the code that it finds there. Undefined without a home. */
export function compileCacheDirectory(): string | undefined {
  const { XDG_CACHE_HOME: cache, HOME: home } = process.env;
  if (cache !== undefined && cache !== "") return join(cache, "pulumi-microvm", "compiled");
  if (home === undefined || home === "") return undefined;
  return join(home, ".cache", "pulumi-microvm", "compiled");
}

// Node before 22.1 has no such function. A directory that cannot be written is not an error.
const directory = compileCacheDirectory();
if (directory !== undefined && "enableCompileCache" in modules) {
  modules.enableCompileCache(directory);
}
