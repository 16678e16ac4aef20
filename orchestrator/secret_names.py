"""Names under which programs keep passwords, tokens and private keys, by custom."""

import re
import unicodedata
from fnmatch import translate

_FOLDERS = (
    ".git .ray .ssh .aws .azure .kube .gnupg .docker .config .gcloud .oci .bluemix .ibmcloud "
    ".aliyun .tccli .fly .doctl .vault .terraform .terraform.d .pulumi .chef .dbt .snowsql "
    ".snowflake .huggingface .kaggle .mlflow .wandb .neptune .modal .openai .anthropic "
    ".replicate .ipython .jupyter .keyrings keyrings .password-store .thunderbird .mozilla "
    ".minikube .mc .gem .m2 .cargo .composer .sops .secrets .private .credentials .ansible "
    ".heroku .ngrok2 .irssi"
)
_FILES = (
    # Environments and settings that programs read.
    ".env* *.env .dev.vars .flaskenv .secrets* secret.{text} secrets.{text} .secret* *.secret "
    "*.secrets password password.txt passwords.txt passwords.{text} passwd passwd.bak shadow "
    "master.passwd .htpasswd* htpasswd .htdigest credential credentials credential.{text} "
    "credentials*.{text} credentials-* *credentials*.json *_credentials *-credentials "
    "*.credentials .credentials* "
    "token token.{text} token.pickle auth_token auth.json access_token* oauth*token* "
    "apikey* api_key api_key.{text} api-key api-key.{text} .apikey* .api_key* "
    # Sources and packages.
    ".git-credentials* .gitconfig .npmrc .yarnrc .yarnrc.yml .pypirc pip.conf pip.ini .condarc "
    ".netrc* _netrc netrc *.netrc settings-security.xml nuget.config .gemrc .bowerrc .dockercfg* "
    ".dockerconfigjson .composer-auth.json .cargo-credentials .gradle.properties .lein-credentials "
    # Keys and certificates.
    "id_rsa* id_dsa* id_ecdsa* id_ed25519* id_xmss* *_rsa *_dsa *_ecdsa *_ed25519 identity "
    "ssh_host_*key *.pem *.key *.p8 *.p12 *.pfx *.pkcs12 *.pkcs8 *.der *.jks *.jceks *.bks "
    "*.keystore *.truststore *.ppk *.pvk *.snk *.keytab krb5cc* *.ovpn *.gpg *.pgp secring.* "
    "*.kdb *.kdbx *.agilekeychain *.1pif *.opvault *.keychain *.keychain-db *.keyring *.psafe3 "
    "wallet.dat *.wallet utc--* *.mobileprovision *.age *.jwk *.jwks "
    # Clouds and clusters.
    "kubeconfig* *.kubeconfig kube.config .s3cfg* .boto* .passwd-s3fs passwd-s3fs rclone.conf "
    ".s3curl application_default_credentials* service-account*.json service_account*.json "
    "serviceaccount*.json *service-account*.json *service_account*.json client_secret* "
    "client-secret* *firebase-adminsdk*.json gcp-key*.json gcloud-*.json google-services.json "
    "googleservice-info.plist accesskeys.csv *_accesskeys.csv rootkey.csv *.publishsettings "
    "*.azureauth azureprofile.json accesstokens.json *.rdp *.tfstate *.tfstate.* *.tfvars "
    "*.tfvars.json .terraformrc terraform.rc *.tfrc.json .vault-token .vault_pass* .vault-pass* "
    "vault_pass* vault-pass* knife.rb .databrickscfg .bigqueryrc .modal.toml .sentryclirc "
    ".rediscli_auth .cloudflared .edgerc "
    # Databases.
    ".pgpass* pgpass.conf .my.cnf .mylogin.cnf my.cnf .pg_service.conf pg_service.conf .mongorc.js "
    ".mongoshrc.js .dbshell .odbc.ini odbc.ini database.yml "
    # Services, mail and file transfer.
    "kaggle.json .comet.config ngrok.yml .ngrok .fetchmailrc .muttrc .msmtprc .mailrc "
    ".offlineimaprc .mbsyncrc .getmailrc .smbcredentials .ftpconfig .ftp-access sftp.json "
    "sftp-config.json filezilla.xml sitemanager.xml recentservers.xml wp-config.php .slack* "
    ".twilio* .pushbulletrc .travis.token stored_tokens hf_token .hf_token "
    # What was typed, and what a browser keeps.
    ".*_history .*-history *.histfile .histfile .history .zhistory .lesshst .viminfo .rhistory "
    "fish_history console_history.txt consolehost_history.txt history.sqlite cookies.txt "
    "cookies.sqlite logins.json key3.db key4.db *.har"
)
# Secrets below folders whose other files are none.
_PLACES = (
    ".streamlit/secrets.toml .bundle/config .gradle/gradle.properties .nuget/nuget.config "
    ".cache/huggingface/token huggingface/token wandb/settings .circleci/cli.yml "
    "mlflow/credentials .vscode/sftp.json .idea/webservers.xml .idea/datasources.local.xml "
    ".local/share/keyrings .local/share/jupyter"
)
#: What a file of settings may end in; not what ends a file of code.
_TEXT = ("json", "toml", "yaml", "yml", "ini", "cfg", "conf", "csv", "txt", "xml", "properties")
# Copies: what editors, people and archivers append.
_COPY = re.compile(
    r"(~|[ ._-]?\(?(copy|bak|backup|old|orig|save|swp|swo|tmp|dist|rej|prod|local)\d*\)?|[ ._-]?\d+"
    r"|[ ._-]?\(\d+\)|\.(gz|zip|xz|bz2|zst|tar|tgz|7z|enc))$"
)


_SECRET_FOLDERS = frozenset(_FOLDERS.split())
_NAMES = frozenset(
    name.replace("{text}", ending)
    for name in _FILES.split()
    for ending in (_TEXT if "{text}" in name else ("",))
)
_EXACT = frozenset(name for name in _NAMES if "*" not in name)
_WILD = re.compile("|".join(sorted(map(translate, _NAMES - _EXACT))))


def is_secret(place: str) -> bool:
    """Whether a file's place, with slashes, is one where secrets are kept.

    Capitals do not count, nor does what marks a copy: .netrc.bak, id_rsa.old, .env~.
    """
    plain = "/" + unicodedata.normalize("NFKC", place).casefold().lstrip("/")
    *folders, name = plain.split("/")
    if not _SECRET_FOLDERS.isdisjoint(folders):
        return True
    if any(plain.endswith(f"/{each}") or f"/{each}/" in plain for each in _PLACES.split()):
        return True
    return any(each in _EXACT or _WILD.fullmatch(each) for each in _originals(name))


def _originals(name: str) -> set[str]:
    """A file's name, and those of what it may be a copy of."""
    names = {name}
    for _ in range(2):
        for each in list(names):
            stem, dot, ending = each.rpartition(".")
            names |= {_COPY.sub("", each), _COPY.sub("", stem) + dot + ending}
            names |= {each.lstrip("#.~").rstrip("#"), each.removeprefix(".#").strip("#")}
    return names - {""}
