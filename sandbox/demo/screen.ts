// Where does the picture go? Redrawn in place on a terminal, appended as plain lines where there is none, or one JSON object a line for machines.
import { COLOURS, draw, measurement, PLAIN, type Scene } from "./view.ts";
import type { CanaryStatus } from "../../crds/status.ts";

export interface Output {
  write(text: string): void;
  terminal: boolean;
  colours: boolean;
}

export interface Screen {
  /** The state as it is now; called often. */
  show(scene: Scene): void;
  /** Something that happened. */
  tell(text: string): void;
  end(): void;
}

export function screenFor(output: Output, json: boolean): Screen {
  if (json) return jsonLines(output);
  return output.terminal ? redrawn(output) : appended(output);
}

function redrawn(output: Output): Screen {
  let height = 0;
  return {
    show(scene) {
      const lines = draw(scene, output.colours ? COLOURS : PLAIN);
      // Up to where the last picture began, then each line over the old one: nothing flickers.
      const up = height > 0 ? `\u001b[${height}A` : "";
      const body = [...lines, ...Array.from({ length: Math.max(height - lines.length, 0) }, () => "")];
      output.write(`${up}${body.map((line) => `\r\u001b[2K${line}\n`).join("")}`);
      height = body.length;
    },
    tell: () => undefined,
    end: () => undefined,
  };
}

function changeOf(status: CanaryStatus): string {
  return `${status.phase} ${status.route?.canaryWeight ?? 0} ${status.failedChecks}`;
}

function appended(output: Output): Screen {
  let last = "";
  let measured = "";
  return {
    show({ status, elapsedMs, requests }) {
      const at = `${(elapsedMs / 1000).toFixed(1).padStart(6)} s  `;
      const change = changeOf(status);
      if (change !== last && status.phase !== undefined) {
        output.write(`${at}${status.phase.padEnd(13)} weight ${String(status.route?.canaryWeight ?? 0).padStart(3)} %  requests ${requests.total}, lost ${requests.lost}\n`);
      }
      last = change;
      const checks = (status.run?.measurements ?? []).map((one) => measurement(one, PLAIN)).join("; ");
      if (checks !== measured && checks !== "") output.write(`${at}  ${checks}\n`);
      measured = checks;
    },
    tell: (text) => output.write(`          ${text}\n`),
    end: () => undefined,
  };
}

function jsonLines(output: Output): Screen {
  let last = "";
  const write = (value: object): void => output.write(`${JSON.stringify(value)}\n`);
  return {
    show({ status, elapsedMs, requests }) {
      const key = `${changeOf(status)} ${JSON.stringify(status.run?.measurements ?? [])}`;
      if (key === last || status.phase === undefined) return;
      last = key;
      write({ elapsedMs: Math.round(elapsedMs), phase: status.phase, weight: status.route?.canaryWeight ?? 0, failedChecks: status.failedChecks ?? 0, checks: status.run?.measurements ?? [], requests });
    },
    tell: (text) => write({ event: text }),
    end: () => undefined,
  };
}
