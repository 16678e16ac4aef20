"""Names and contents of files that hold secrets, and of similar harmless files."""

_NAMES = """
.env .env.local .ENV prod.env .envrc .flaskenv .git-credentials .gitconfig .npmrc .yarnrc
.yarnrc.yml .pypirc pip.conf .condarc .netrc .netrc.bak _netrc .NETRC~ id_rsa id_dsa id_ecdsa
id_ed25519 id_ed25519_sk ID_RSA.old github_rsa cert.pem CERT.PEM server.KEY key.p8 a.p12 a.pfx
a.jks a.keystore a.ppk a.kdbx a.keytab krb5cc_1000 a.ovpn a.gpg kubeconfig kubeconfig.yaml
.kube/config .aws/credentials .azure/y .gcloud/y .config/gcloud/y .docker/config.json .dockercfg
credentials credentials.json credentials.toml my-credentials.json service-account.json
service_account_prod.json application_default_credentials.json client_secret_12.apps.json
token.json .pgpass .my.cnf .mylogin.cnf .htpasswd secrets.toml secrets.yaml secrets.yml
secrets.json secrets.ini .streamlit/secrets.toml .vault-token .terraformrc terraform.tfstate
terraform.tfstate.backup prod.tfvars prod.auto.tfvars.json .boto .s3cfg rclone.conf .gnupg/y
.ssh/config .bash_history .zsh_history .python_history .psql_history .mysql_history
.node_repl_history .sqlite_history .Rhistory fish_history .lesshst .viminfo kaggle.json
.kaggle/kaggle.json .huggingface/token .cache/huggingface/token .mlflow/credentials wandb/settings
.databrickscfg hf_token auth.json accessKeys.csv .env.swp .#.env #.env# .id_rsa.swp id_rsa.gz
a.pem.bak sub/folder/.Env .ssh.bak/config .aws_old/config .ssh.tar.gz .svn/auth .gsutil/y .envs/prod
aws_credentials.csv my_secrets.json app-secrets.yaml k8s-secret.yaml secrets.yaml.dec
db_password.txt DB-PASSWORD passwords.xlsx privatekey.txt private_key.txt private-key deploy-key
github_key
.github_token gitlab-token.txt wandb_api_key.txt openai_key.txt secret_key serviceAccountKey.json
refreshToken.json secrets.d/x.key secrets/db.txt credentials.d/.env npmrc _npmrc pypirc dockercfg
.Renviron .authinfo.gpg .google_authenticator .gitcookies .rhosts cookies.json dotenv env.prod
prod.env.json gha-creds-1a.json vault.yml hgrc .b2_account_info
"""
_OTHERS = """model.py credentials.py secrets.py token.py tokens.json tokenizer.json config.json
environment.yml keys.csv history.json README.md setup.cfg images/1.png monkey.png turkey.txt 1
authors.json .gitignore .github/workflows/ci.yml .streamlit/config.toml cert.crt
special_token.json train_keys.csv api_keys.py secrets/__init__.py secretary.csv token_counts.csv
the_secret_agent.txt passwordless.csv environment.json
"""
NAMES, OTHERS = _NAMES.split(), _OTHERS.split()

# Put together here, so that this file can be shipped itself.
CONTENTS = {
    "a private key": "-----BEGIN OPENSSH " + "PRIVATE KEY-----",
    "a PGP key": "-----BEGIN PGP " + "PRIVATE KEY BLOCK-----",
    "PuTTY's": "PuTTY-User-" + "Key-File-3: ssh-ed25519",
    "a key in JSON": '{"private_key": "-----BEGIN ' + 'PRIVATE KEY-----\\nMII"}',
    "AWS": "id = AKIA" + "IOSFODNN7ABCDEFG",
    "AWS' secret": "aws_secret_access_" + "key = '" + "wJalrXUtnF/" * 3 + "wJalrXU'",
    "GitHub": "ghp_" + "a1B2" * 9,
    "GitHub's new": "github_pat_" + "a1B2" * 9,
    "GitLab": "glpat-" + "a1B2c" * 4,
    "Slack": "xoxb-" + "1234567890-abcdef",
    "Google": "AIza" + "a1B2c" * 7,
    "Stripe": "sk_live_" + "a1B2" * 6,
    "Hugging Face": "hf_" + "abCD" * 9,
    "OpenAI": "sk-" + "proj-" + "a1B2" * 12,
    "PyPI": "pypi-AgE" + "a1B2" * 20,
    "npm": "npm_" + "a1B2" * 9,
    "a JWT": "eyJ" + "hbGciOiJIUzI1NiJ9.eyJ" + "zdWIiOiIxMjM0In0." + "a1B2" * 6,
    "a login": "machine h login me pass" + "word x",
    "Kaggle": '{"username": "me", "key": "' + "0a" * 16 + '"}',
}
