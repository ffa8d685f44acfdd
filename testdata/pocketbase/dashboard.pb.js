// The least that the page needs in PocketBase: the route to a manager that runs already, and the files.
// PM_URL and PM_TOKEN say where the manager is, PM_DASHBOARD where the files are. With PM_OLD
// it does what it can in versions whose dashboard takes no pages.
$app.onServe().bindFunc((e) => {
  if (!$os.getenv("PM_OLD")) e.uiExtensions = [...e.uiExtensions, { name: "processman", fs: $os.dirFS($os.getenv("PM_DASHBOARD")) }];
  e.next();
});

const proxy = (e) => {
  const query = e.request.url.rawQuery;
  const answer = $http.send({
    url: `${$os.getenv("PM_URL")}/${e.request.pathValue("path")}${query ? `?${query}` : ""}`,
    method: e.request.method,
    headers: { Authorization: `Bearer ${$os.getenv("PM_TOKEN")}` },
    timeout: 60,
  });
  return e.blob(answer.statusCode, "application/json", answer.body);
};
routerAdd("GET", "/api/pm/{path...}", proxy, $apis.requireSuperuserAuth(), $apis.skipSuccessActivityLog());
routerAdd("POST", "/api/pm/{path...}", proxy, $apis.requireSuperuserAuth(), $apis.skipSuccessActivityLog());
