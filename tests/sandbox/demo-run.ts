// Runs the demo in this process, at a pace that no person would follow, and reads what it printed for machines.
import { demo, type DemoRequest } from "../../cli/demo-command.ts";

interface Line {
  phase?: string;
  weight?: number;
  verdict?: string;
  expectations?: { what: string; met: boolean; seen: string }[];
  requests?: { lost: number; byVersion: Record<string, number> };
}

export async function run(more: Partial<DemoRequest> = {}): Promise<{ code: number; lines: Line[] }> {
  let text = "";
  const output = { write: (part: string) => void (text += part), terminal: false, colours: false };
  const code = await demo({ keep: false, json: true, version: "test", pace: { interval: "1s", patienceMs: 20_000 }, ...more }, output, new AbortController().signal);
  return { code, lines: text.trim().split("\n").map((line) => JSON.parse(line) as Line) };
}
