// What does a person see of many clusters? One line for each, redrawn in place on a terminal, a line for each change where there is none, or JSON.
import type { Output } from "./screen.ts";
import type { Counted } from "./traffic.ts";
import { COLUMNS } from "./view.ts";

export interface MemberRow {
  name: string;
  wave: string;
  phase: string;
  weight: number;
  failedChecks: number;
  requests: Counted;
}

export interface FleetPicture {
  title: string;
  elapsedMs: number;
  members: readonly MemberRow[];
  waves: readonly { name: string; phase: string; message: string }[];
}

export interface FleetScreen {
  show(picture: FleetPicture): void;
  tell(text: string): void;
}

const BAR = 10;
const TOLD = 4;

export function fleetScreen(output: Output, json: boolean): FleetScreen {
  if (json) return jsonLines(output);
  return output.terminal ? redrawn(output) : appended(output);
}

/** No line is longer than a narrow terminal. */
export function drawFleet({ title, elapsedMs, members, waves }: FleetPicture, told: readonly string[]): string[] {
  const rows = members.map(({ wave, name, phase, weight, requests }) => {
    const filled = Math.round((weight / 100) * BAR);
    const versions = Object.entries(requests.byVersion).map(([version, count]) => `${version}:${count}`).join(" ");
    return `  ${wave.padEnd(6)} ${name.padEnd(8)} ${phase.padEnd(12)} ${"█".repeat(filled)}${"░".repeat(BAR - filled)} ${String(weight).padStart(3)} %  lost ${requests.lost}  ${versions}`;
  });
  const states = waves.map(({ name, phase, message }) => `  ${name.padEnd(6)} ${phase}${message === "" ? "" : `: ${message}`}`);
  const lines = [`${title}  (${(elapsedMs / 1000).toFixed(1)} s)`, "", ...rows, "", ...states, "", ...told.slice(-TOLD).map((text) => `  ${text}`)];
  return lines.map((line) => [...line].slice(0, COLUMNS).join(""));
}

function redrawn(output: Output): FleetScreen {
  const told: string[] = [];
  let height = 0;
  return {
    show(picture) {
      const lines = drawFleet(picture, told);
      const up = height > 0 ? `\u001b[${height}A` : "";
      const body = [...lines, ...Array.from({ length: Math.max(height - lines.length, 0) }, () => "")];
      output.write(`${up}${body.map((line) => `\r\u001b[2K${line}\n`).join("")}`);
      height = body.length;
    },
    tell: (text) => void told.push(text),
  };
}

function appended(output: Output): FleetScreen {
  const last = new Map<string, string>();
  const changed = (key: string, text: string): boolean => {
    if (last.get(key) === text) return false;
    last.set(key, text);
    return true;
  };
  return {
    show({ elapsedMs, members, waves }) {
      const at = `${(elapsedMs / 1000).toFixed(1).padStart(6)} s  `;
      for (const { name, phase, weight, requests } of members) {
        if (changed(name, `${phase} ${weight}`)) output.write(`${at}${name.padEnd(8)} ${phase.padEnd(13)} weight ${String(weight).padStart(3)} %  requests ${requests.total}, lost ${requests.lost}\n`);
      }
      for (const { name, phase, message } of waves) if (changed(`wave ${name}`, phase)) output.write(`${at}wave ${name}: ${phase}${message === "" ? "" : `, ${message}`}\n`);
    },
    tell: (text) => output.write(`          ${text}\n`),
  };
}

function jsonLines(output: Output): FleetScreen {
  let last = "";
  return {
    show({ elapsedMs, members, waves }) {
      const state = members.map(({ name, phase, weight, failedChecks }) => ({ name, phase, weight, failedChecks }));
      const key = JSON.stringify([state, waves]);
      if (key === last) return;
      last = key;
      output.write(`${JSON.stringify({ elapsedMs: Math.round(elapsedMs), members: state, waves })}\n`);
    },
    tell: (text) => output.write(`${JSON.stringify({ event: text })}\n`),
  };
}
