// May this caller ask? Compares the caller's token with those of a file, which may change while the program runs; never says what it compared.
// It is a bearer token, or the password of an address such as http://canary:TOKEN@loadtester/, which is all that a webhook can carry.
import { createHash, timingSafeEqual } from "node:crypto";
import { readFile } from "node:fs/promises";
import type { Log } from "../engine/ports.ts";

/** Whether an Authorization header is good. */
export type Guard = (authorization: string | undefined) => Promise<"yes" | "no" | "unknown">;

/** @param file one token a line, so that an old and a new one can serve for a while; everybody is let in when absent, nobody when it cannot be read or is empty */
export function createGuard(file: string | undefined, log: Log): Guard {
  if (file === undefined) return () => Promise.resolve("yes");
  return async (authorization) => {
    let tokens: string[];
    try {
      tokens = (await readFile(file, "utf8")).split("\n").map((line) => line.trim()).filter((line) => line !== "");
    } catch (error) {
      log.error({ code: (error as NodeJS.ErrnoException).code }, "the token file cannot be read; nobody is let in");
      return "unknown";
    }
    const given = tokenOf(authorization ?? "");
    if (given === undefined) return "no";
    // Every token is compared, so that the time taken tells nothing.
    return tokens.map((token) => timingSafeEqual(digest(token), digest(given))).includes(true) ? "yes" : "no";
  };
}

function tokenOf(authorization: string): string | undefined {
  const [, scheme = "", credentials = ""] = /^(Bearer|Basic) +(\S+)$/i.exec(authorization) ?? [];
  if (scheme.toLowerCase() !== "basic") return credentials === "" ? undefined : credentials;
  const pair = Buffer.from(credentials, "base64").toString("utf8");
  return pair.includes(":") ? pair.slice(pair.indexOf(":") + 1) : undefined;
}

function digest(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}
