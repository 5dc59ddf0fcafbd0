// The sandbox alone, for trying kubectl against it or for running an engine of one's own.
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { realClock, realRandom } from "../engine/adapters/clock.ts";
import { startSandbox } from "../sandbox/start.ts";

/** Runs until `signal` aborts. */
export async function sandbox({ port, kubeconfigOut }: { port: number; kubeconfigOut?: string }, print: (line: string) => void, signal: AbortSignal): Promise<void> {
  const started = await startSandbox({ clock: realClock, random: realRandom, port });
  const file = kubeconfigOut ?? join(mkdtempSync(join(tmpdir(), "kurator-rollout-")), "kubeconfig");
  writeFileSync(file, started.kubeconfig);
  print(`Kubernetes API  ${started.apiUrl}`);
  print(`gateway         ${started.world.gatewayUrl}`);
  print(`Prometheus      ${started.world.prometheusUrl} (${started.world.prometheusKind})`);
  print("");
  print(`export KUBECONFIG=${file}`);
  print("kubectl create deployment shop --image=sandbox/app:1.0.0 --replicas=2");
  print("kubectl get pods -w");
  print(`kurator-rollout controller --metrics-server ${started.world.prometheusUrl} --port 0`);
  if (!signal.aborted) await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
  await started.stop();
}
