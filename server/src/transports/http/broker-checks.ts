/** The names under which an external broker knows a client. */
export interface BrokerClient {
  readonly clientId: string;
  readonly username: string | undefined;
}

/**
 * Answers the questions of external brokers (DM-7.2) as the internal broker would.
 * Any error is a refusal.
 */
export interface ExternalBrokerChecks {
  /**
   * May a client connect with these credentials?
   * Null if not, otherwise until when, in milliseconds since 1970 (null: no known end).
   */
  connect(
    attempt: BrokerClient & { readonly password: string | undefined; readonly address: string },
  ): Promise<{ readonly expiresAt: number | null } | null>;
  /**
   * May a client connect with a token by MQTT 5's enhanced authentication: an access token, or
   * `uuid:token`?
   * Its names must be its own: the broker sends nothing else later.
   */
  connectByToken(attempt: BrokerClient & { readonly token: string; readonly address: string }): Promise<boolean>;
  /** The topic of a publish with its prefix added. Null if the client may not publish. */
  publish(client: BrokerClient, topic: string): Promise<string | null>;
  /** May a client publish to exactly this topic? It has to include the prefix of its principal. */
  publishAsItStands(client: BrokerClient, topic: string): Promise<boolean>;
  /** May the client subscribe to this filter, or receive a message on this topic? */
  subscribe(client: BrokerClient, filter: string): Promise<boolean>;
}
