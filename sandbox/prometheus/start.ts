// Which Prometheus answers in the sandbox? The real one where its program is at hand, else the built-in one; both see
// the same counters, once a second. It must never leave a timer, a socket or a process behind after stop.
import type { Clock } from "../api/types.ts";
import { textFormat } from "../mesh/series.ts";
import type { SeriesRegistry } from "../mesh/series.ts";
import type { PrometheusFaults } from "./api.ts";
import { runPrometheus } from "./binary.ts";
import { sampleStore } from "./samples.ts";
import type { SampleStore } from "./samples.ts";
import { serveApi, serveMetrics } from "./server.ts";

export interface PrometheusOptions {
  series: SeriesRegistry;
  clock: Clock;
  /** Obeyed by the built-in one; a real one does not lie. */
  faults?: PrometheusFaults;
  /** "auto" takes the program `binary` from the PATH where there is one. */
  use?: "auto" | "builtin";
  binary?: string;
  scrapeMs?: number;
}

export interface Prometheus {
  url: string;
  kind: "builtin" | "prometheus";
  stop(): Promise<void>;
}

export async function startPrometheus(options: PrometheusOptions): Promise<Prometheus> {
  const { series, clock, faults = {}, use = "auto", binary = "prometheus", scrapeMs } = options;
  if (use === "auto") {
    const metrics = await serveMetrics(() => textFormat(series.all()));
    const real = await runPrometheus(binary, `${metrics.url}/metrics`, clock);
    if (real !== undefined) {
      return { url: real.url, kind: "prometheus", stop: async () => void (await Promise.all([real.stop(), metrics.stop()])) };
    }
    await metrics.stop();
  }
  const { samples, stop } = scrapeRegularly(series, clock, scrapeMs);
  const api = await serveApi(samples, clock, faults);
  return {
    url: api.url,
    kind: "builtin",
    async stop() {
      stop();
      await api.stop();
    },
  };
}

/** The built-in one without its socket: what a simulation queries by evaluateQuery. */
export function scrapeRegularly(series: SeriesRegistry, clock: Clock, scrapeMs = 1000, collects: () => boolean = () => true): { samples: SampleStore; stop(): void } {
  const samples = sampleStore();
  const up = { name: "up", labels: {}, value: 1 };
  let cancel = clock.after(0, scrape);
  function scrape(): void {
    if (collects()) samples.scrape(withUp(), clock.now());
    cancel = clock.after(scrapeMs, scrape);
  }
  function* withUp() {
    yield up;
    yield* series.all();
  }
  return { samples, stop: () => cancel() };
}
