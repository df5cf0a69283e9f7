export { createRegistry, type Registry } from './app.ts';
export { ConfigError, loadConfig, settings, type Config } from './config.ts';
