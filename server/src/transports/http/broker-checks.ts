/** By which names a broker outside knows a client. */
export interface BrokerClient {
  readonly clientId: string;
  readonly username: string | undefined;
}

/**
 * What brokers outside ask of the registry (DM-7.2). The answers are those that the broker in the process would give; whatever
 * goes wrong is a refusal.
 */
export interface ExternalBrokerChecks {
  /** May a client come in that shows this? Null if not; else until when, in milliseconds since 1970 (null: no end is known). */
  connect(
    attempt: BrokerClient & { readonly password: string | undefined; readonly address: string },
  ): Promise<{ readonly expiresAt: number | null } | null>;
  /**
   * May a client come in that shows a token by MQTT 5's enhanced authentication: an access token, or `uuid:token`? The names that it goes by
   * must be its own, as they are all that the broker says of it later.
   */
  connectByToken(attempt: BrokerClient & { readonly token: string; readonly address: string }): Promise<boolean>;
  /** The topic that a publish goes to, its prefix in front; null if the client may not. */
  publish(client: BrokerClient, topic: string): Promise<string | null>;
  /** May a client publish to a topic as it stands? The prefix of its principal has to be there already. */
  publishAsItStands(client: BrokerClient, topic: string): Promise<boolean>;
  /** May it subscribe to this filter, or have a message on this topic? */
  subscribe(client: BrokerClient, filter: string): Promise<boolean>;
}
