// Who asks for what? Reads the body of a webhook, as Flagger and the engine send it, and runs nothing.
import { z } from "zod";

export interface Asked {
  name: string;
  namespace: string;
  /** Tells one run of a canary from the next: the engine's run, or else Flagger's checksum of what is rolled out. */
  run: string;
  metadata: Readonly<Record<string, string>> | undefined;
}

const name = z.string().min(1).max(253).regex(/^[^/\s]+$/, "is no name");
const payload = z.object({
  name,
  namespace: name,
  checksum: z.string().max(200).optional(),
  run: z.string().max(200).optional(),
  metadata: z.record(z.string(), z.string()).nullish(),
});

export type Read = { ok: true; asked: Asked } | { ok: false; why: string };

export function readPayload(text: string): Read {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    // The parser's own words quote the body, which may hold a secret.
    return { ok: false, why: "the body is not JSON" };
  }
  const read = payload.safeParse(json);
  if (!read.success) return { ok: false, why: read.error.issues.map(({ path, message }) => `${path.join(".") || "the body"}: ${message}`).join("; ").slice(0, 500) };
  const { name: canary, namespace, checksum, run, metadata } = read.data;
  return { ok: true, asked: { name: canary, namespace, run: run || checksum || "", metadata: metadata ?? undefined } };
}
