// Where does a server of the sandbox listen? On a free port of loopback, and nowhere else.
import type { Server } from "node:http";

export interface LocalServer {
  /** http://127.0.0.1:PORT */
  url: string;
  /** Also ends the connections that are open. */
  stop(): Promise<void>;
}

/** @throws whatever `listen` fails with */
export async function listenOnLoopback(server: Server, beforeStop: () => void = () => undefined): Promise<LocalServer> {
  await new Promise<void>((listening, failed) => {
    server.once("error", failed);
    server.listen(0, "127.0.0.1", listening);
  });
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  return {
    url: `http://127.0.0.1:${port}`,
    stop: () => new Promise((closed) => {
      beforeStop();
      server.close(() => closed());
      server.closeAllConnections();
    }),
  };
}
