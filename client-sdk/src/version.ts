/** Version of this client, named to the server in the handshake. A test holds it to `package.json`. */
export const version = '0.1.0';
