module pulumi-microvm/lab/gitea/guest

go 1.26.0
