// Everything the page says, in English and in Chinese. `{name}` is replaced.

const EN = {
  title: "Processes", all: "All", live: "Live", connecting: "Connecting", lost: "Offline",
  away: "Not available", refused: "Not allowed",
  running: "running", starting: "starting", stopping: "stopping", restarting: "restarting", crashed: "crashed",
  exited: "exited", failed: "failed", stopped: "stopped",
  start: "Start", stop: "Stop", restart: "Restart", cancel: "Cancel", close: "Close",
  startOne: "Start {id}", stopOne: "Stop {id}", restartOne: "Restart {id}", openOne: "Show {id}",
  selectOne: "Select {id}", selectAll: "Select all that are shown", selected: "{count} selected",
  selectedHidden: "{count} selected, {hidden} not shown",
  clear: "Clear the selection", actions: "Actions", process: "Process", status: "Status", pid: "PID",
  uptime: "Uptime", restarts: "Restarts", note: "Last error", filter: "Filter by status",
  search: "Search processes", hintSearch: "Search", shown: "{shown} of {all} shown",
  none: "No processes yet",
  noneHint: "Add one to pb_processes.json, then restart the application or PocketBase. One registered in code shows up at once.",
  noMatch: "Nothing matches", noMatchHint: "No process fits this search and filter.", reset: "Show all",
  retry: "retry in {time}", retryNow: "retrying", escaped: "could not be ended: {names}",
  startTitle: "The process manager cannot start.", awayTitle: "The process manager is not available.",
  lostTitle: "Connection lost.", lostHint: "What you see is from {time} ago. Trying again in {next}.",
  trying: "Trying again …", tryNow: "Try now", back: "Connected again.",
  confirmStart: "Start {count} processes?", confirmStop: "Stop {count} processes?",
  confirmRestart: "Restart {count} processes?", confirmStopHint: "Whole process trees are ended.",
  confirmRestartHint: "What runs is stopped first.", confirmStartHint: "What runs already stays as it is.",
  more: "and {count} more", doneAll: "Done, {count} of {count}.", doneSome: "{done} done, {failed} not: {why}",
  question: "{text}?", could: "{id}: {why}", unreachable: "The server does not answer.",
  signIn: "Sign in", signInHint: "This page asks for the token of the API once, and forgets it when the tab is closed.",
  token: "Token", tokenHint: "“processman up” keeps it in .processman/token in the data directory.",
  wrongToken: "This token is not accepted.", forbidden: "You are signed in, but not allowed to see this.",
  signInThere: "Sign in to PocketBase’s dashboard as a superuser, then come back.", signOut: "Sign out",
  theme: "Theme: {theme}", auto: "as the system", light: "light", dark: "dark", language: "中文",
  logs: "Logs", configuration: "Configuration", details: "Details of {id}",
  searchLogs: "Search these lines", onlyErrors: "stderr only", wrap: "Wrap long lines", copy: "Copy what is shown",
  copied: "Copied {count} lines.", notCopied: "The browser does not allow copying.",
  follow: "Follow", unseen: "{count} new lines", noLines: "No output yet.",
  noLinesMatch: "No line matches.", gap: "{count} lines were dropped before they could be shown",
  run: "run {run}", anew: "the log begins anew", gone: "This process is no longer there.", stderr: "stderr",
  exitCode: "Exit code", endedBy: "Ended by", started: "Started", runs: "Run",
  command: "Command", script: "Script", args: "Arguments", cwd: "Directory", interpreter: "Interpreter",
  environment: "Environment", policy: "Restarts", maxRetries: "Retries in a row", backoff: "First pause",
  restartPolicy: "Policy", successExitCodes: "Success exit codes", stopSignal: "Stop signal",
  stopTimeout: "Stop timeout", autostart: "Starts with the rest", devMode: "Hot reload", watchPaths: "Watched",
  watchIgnore: "Not watched", yes: "yes", no: "no", endless: "without end", masked: "hidden", nothing: "none",
};

const ZH = {
  title: "进程", all: "全部", live: "实时", connecting: "连接中", lost: "已断开", away: "不可用", refused: "无权访问",
  running: "运行中", starting: "启动中", stopping: "停止中", restarting: "重启中", crashed: "已崩溃",
  exited: "已退出", failed: "已失败", stopped: "已停止",
  start: "启动", stop: "停止", restart: "重启", cancel: "取消", close: "关闭",
  startOne: "启动 {id}", stopOne: "停止 {id}", restartOne: "重启 {id}", openOne: "查看 {id}",
  selectOne: "选择 {id}", selectAll: "选择当前显示的全部进程", selected: "已选 {count} 个",
  selectedHidden: "已选 {count} 个，其中 {hidden} 个未显示",
  clear: "清除选择", actions: "操作", process: "进程", status: "状态", pid: "PID",
  uptime: "运行时长", restarts: "重启次数", note: "最近错误", filter: "按状态筛选",
  search: "搜索进程", hintSearch: "搜索", shown: "显示 {shown} / {all}",
  none: "还没有进程", noneHint: "在 pb_processes.json 中添加后，重启应用或 PocketBase 即可；在代码中注册的会立即显示。",
  noMatch: "没有匹配的进程", noMatchHint: "没有进程符合当前的搜索和筛选条件。", reset: "显示全部",
  retry: "{time} 后重试", retryNow: "正在重试", escaped: "未能结束：{names}",
  startTitle: "进程管理器无法启动。", awayTitle: "进程管理器暂不可用。",
  lostTitle: "连接已断开。", lostHint: "当前显示的是 {time} 前的内容，{next} 后重试。",
  trying: "正在重试…", tryNow: "立即重试", back: "已重新连接。",
  confirmStart: "启动 {count} 个进程？", confirmStop: "停止 {count} 个进程？", confirmRestart: "重启 {count} 个进程？",
  confirmStopHint: "整个进程树都会结束。", confirmRestartHint: "运行中的会先停止，再重新启动。",
  confirmStartHint: "已在运行的保持不变。",
  more: "以及另外 {count} 个", doneAll: "已完成 {count} / {count}。", doneSome: "完成 {done} 个，失败 {failed} 个：{why}",
  question: "{text}？", could: "{id}：{why}", unreachable: "服务器没有响应。",
  signIn: "登录", signInHint: "本页只询问一次 API 的 token，关闭标签页后即忘记。",
  token: "Token", tokenHint: "“processman up” 将它保存在数据目录的 .processman/token 中。",
  wrongToken: "token 无效。", forbidden: "您已登录，但无权查看此页。", signOut: "退出登录",
  signInThere: "请先以超级用户身份登录 PocketBase 的仪表盘，然后返回此页。",
  theme: "主题：{theme}", auto: "跟随系统", light: "浅色", dark: "深色", language: "English",
  logs: "日志", configuration: "配置", details: "{id} 的详情",
  searchLogs: "搜索日志", onlyErrors: "仅 stderr", wrap: "自动换行", copy: "复制当前显示的内容",
  copied: "已复制 {count} 行。", notCopied: "浏览器不允许复制。",
  follow: "跟随", unseen: "{count} 行新日志", noLines: "还没有输出。",
  noLinesMatch: "没有匹配的行。", gap: "有 {count} 行在显示之前已被丢弃",
  run: "第 {run} 次运行", anew: "日志重新开始", gone: "该进程已不存在。", stderr: "stderr",
  exitCode: "退出码", endedBy: "终止信号", started: "启动于", runs: "运行序号",
  command: "命令", script: "脚本", args: "参数", cwd: "目录", interpreter: "解释器",
  environment: "环境变量", policy: "重启", maxRetries: "连续重试次数", backoff: "首次重试间隔",
  restartPolicy: "策略", successExitCodes: "成功退出码", stopSignal: "停止信号", stopTimeout: "停止超时",
  autostart: "自动启动", devMode: "热重载", watchPaths: "监听", watchIgnore: "忽略",
  yes: "是", no: "否", endless: "不限", masked: "已隐藏", nothing: "无",
};

/** What the manager says of a failure, where all of it is known words; a sentence that is not stays as it is. */
const FAILURES_ZH = [
  [/^exit code (\d+)$/, "退出码 $1"],
  [/^killed by (\w+)$/, "被 $1 终止"],
  [/^cannot find command ('[^']*'): it is not on the PATH$/, "找不到命令 $1：它不在 PATH 中"],
  [/^file watch degraded: keeps changing what it watches$/, "文件监听已停止：进程不断修改自己监听的文件"],
  [/^file watch degraded: the system has ended the watching$/, "文件监听已中断：系统终止了监听"],
];

/** Return a function that says things in *language*. */
export function speak(language) {
  const known = language === "zh" ? { ...EN, ...ZH } : EN;
  return (key, values = {}) => known[key].replace(/\{(\w+)\}/g, (_, name) => String(values[name]));
}

/** Return what *error*, in the words of the manager, is in *language*. */
export function failure(language, error) {
  const [pattern, words] = (language === "zh" && FAILURES_ZH.find(([each]) => each.test(error))) || [];
  return pattern ? error.replace(pattern, words) : error;
}

/** Every key has its words in both languages; a test looks. */
export const LANGUAGES = { en: EN, zh: ZH };
