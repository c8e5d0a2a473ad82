assert len(target) == 2, 'QFL takes a label and a quality of each'
label, score = target
# One formula serves all classes: the quality of those that are not the label is 0.
wanted = one_hot(label, pred.size(1)) * score[:, None].type_as(pred)
loss = F.binary_cross_entropy(pred, wanted, reduction='none')
loss = loss * (wanted - pred).abs().pow(beta)
return loss.sum(dim=1, keepdim=False)
