// Written by `npm run docs`: do not change it by hand.

/** The operations of the contract by area; those of `meshblu` are events without an area. */
export const names = {
  audit: 'list verify',
  auth: 'refresh revoke token',
  certificates: 'add content list remove',
  clientRegistry: 'close confirm deny list open register',
  documents: 'update',
  feed: 'restore resume',
  live: 'close open read',
  maintenance: 'archive backup restore status',
  meshblu: 'authenticate claimdevice createSubscription data deleteSubscription deleteSubscriptions device devices events generateAndStoreToken getPublicKey getdata localdevices message messageAck mydevices register resetToken revokeToken revokeTokenByQuery searchTokens status subscribe subscriptions unclaimeddevices unregister unsubscribe update whoami',
  mfa: 'disable enable login regenerateBackupCodes validate',
  mqttClients: 'create delete get list update',
  mqttTokens: 'create list revoke',
  passwordPolicy: 'get',
  permissions: 'explain ids page',
  roles: 'addPermission create delete get getPermission list listPermissions page removePermission update updatePermission',
  session: 'get login logout',
  users: 'addCertificate addRole changePassword create createBatch delete deleteBatch get list listTokens removeCertificate removeRole revokeTokens update',
  webhooks: 'failures',
} as const;
